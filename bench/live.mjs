// Ten viewers of a live stream, by what their screens show: `node bench/live.mjs`, or `node bench/live.mjs CASE...` for some cases.

import { LADDER } from "../e2e/lib/broadcast.mjs";
import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { clock, crash, live, players, reconnect, restart } from "../e2e/scenarios/live.mjs";

/** What each case is, and the bounds that it must keep. */
const CASES = {
    "low-latency": (report, how) => live(report, { ...how, latency: "low", p50Max: 3, p95Max: 4, offloadMin: 0.75 }),
    normal: (report, how) => live(report, { ...how, latency: "normal", offloadMin: 0.85, copiesMax: 1.5 }),
    // The origin's line carries the best quality, with sound, twice.
    capped: (report, how) => live(report, { ...how, latency: "normal", bitsPerSecond: how.line }),
    players: (report, how) => players(report, { ...how, delayMax: 4 }),
    crash: (report, how) => crash(report, { ...how, die: Math.floor(how.viewers * 0.3), stallMax: 0.4 }),
    reconnect: (report, how) => reconnect(report, { ...how, goneMs: 5000 }),
    restart: (report, how) => restart(report, { ...how, goneMs: 3000 }),
    // Signed heads may be dated up to half a minute ahead.
    clock: (report, how) => clock(report, { ...how, aheadS: 20, behindS: 20 }),
};

const how = options(
    "A camera, three qualities, ten viewers beside as many of hls.js alone: node bench/live.mjs [case]... [option value]...",
    { viewers: 10, seconds: 60, gapMs: 1000, rounds: 1, ladder: LADDER, line: 2_600_000, settleS: 15, afterS: 30 },
    Object.keys(CASES),
);
for (const name of how.cases) {
    const report = new Report(`live, ${name}`);
    if ((await CASES[name](report, how)) === null) console.log(`\nlive, ${name}: left out, for it needs libfaketime`);
    else report.close();
}
