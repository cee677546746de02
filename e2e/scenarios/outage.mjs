// The tracker goes, and comes back; the origin goes, and comes back. What plays goes on playing.

import { sum } from "../lib/report.mjs";
import { sleep } from "../lib/serve.mjs";
import { showing, stage, viewerRows } from "../lib/stage.mjs";

/**
 * The tracker is cut for a while, in which a newcomer comes.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number, cutAfterMs: number, cutForMs: number, ladder: string, preset?: string,
 *     toTheEnd?: boolean }} how
 */
export async function trackerOutage(report, how) {
    const { viewers, seconds, gapMs, cutAfterMs, cutForMs, ladder, preset, toTheEnd = true } = how;
    const on = await stage({ seconds, ladder, preset });
    try {
        const seen = {};
        const results = await showing(on, {
            mode: "braidcast",
            viewers,
            gapMs,
            limitMs: toTheEnd ? seconds * 1000 + 60_000 : 0,
            during: async (all) => {
                const read = async () => Promise.all(all.map((one) => one.stats()));
                await sleep(cutAfterMs);
                on.front.cut("tracker");
                await sleep(500);
                seen.cut = await read();
                await sleep(cutForMs - 500);
                seen.before = await read();
                on.front.heal("tracker");
                const healed = Date.now();
                while (!(await read()).every((one) => one.trackerConnected) && Date.now() - healed < 60_000) await sleep(250);
                seen.backMs = Date.now() - healed;
                seen.after = await read();
            },
        });
        const exchanged = (stats) => sum(stats.map((one) => one.bytesFromPeers));
        report.holds("no viewer has a tracker during the cut", seen.cut.every((one) => !one.trackerConnected));
        report.holds("every link stays during the cut", seen.before.every((one, at) => one.peersConnected >= seen.cut[at].peersConnected));
        report.figure("media exchanged during the cut", (exchanged(seen.before) - exchanged(seen.cut)) / 1e6, { min: 0.05, unit: "MB" });
        report.figure("until all are back at the tracker", seen.backMs / 1000, { max: 60, unit: "s" });
        if (toTheEnd) report.holds("every viewer saw the film to its end", results.every((one) => one.ended));
        report.figure("stalls of all viewers", sum(results.map((one) => one.stalls)), { max: 0 });
        report.rows("with a tracker cut", viewerRows(results));
        return results;
    } finally {
        await on.close();
    }
}

/**
 * The origin dies (SIGKILL) and is started again. One viewer is well ahead of the others in the film.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number, killAfterMs: number, deadForMs: number, ladder: string, preset?: string }} how
 */
export async function originOutage(report, how) {
    const { viewers, seconds, gapMs, killAfterMs, deadForMs, ladder, preset } = how;
    const on = await stage({ seconds, ladder, preset });
    try {
        const seen = {};
        const results = await showing(on, {
            mode: "braidcast",
            viewers,
            gapMs,
            limitMs: seconds * 1000 + deadForMs + 90_000,
            during: async (all) => {
                const read = async () =>
                    Promise.all(all.map(async (one) => ({ ...(await one.probe()), stats: await one.stats() })));
                await sleep(killAfterMs);
                seen.killed = await read();
                await on.origin.kill();
                await sleep(deadForMs);
                seen.before = await read();
                on.origin.restart();
                await on.origin.streams(60_000);
            },
        });
        // What is in the swarm when the origin dies can be played without it.
        const furthest = Math.max(...seen.killed.map((one) => one.buffered));
        const owed = (one) => Math.min(deadForMs / 1000, Math.max(0, furthest - one.position));
        const went = seen.before.map((one, at) => one.position - seen.killed[at].position);
        const shortest = Math.min(...seen.killed.map((one, at) => went[at] - owed(one)));
        report.figure("film played without origin, least", Math.min(...went), { unit: "s", digits: 1 });
        report.figure("of what the swarm held, missed by the worst viewer", Math.max(0, -shortest), { max: 2, unit: "s", digits: 1 });
        report.figure(
            "media exchanged without origin",
            (sum(seen.before.map((one) => one.stats.bytesFromPeers)) - sum(seen.killed.map((one) => one.stats.bytesFromPeers))) / 1e6,
            { unit: "MB" },
        );
        report.holds("every viewer saw the film to its end", results.every((one) => one.ended));
        report.holds("no player gave up", results.every((one) => one.errors.length === 0), results.flatMap((one) => one.errors).join("; "));
        report.rows("with the origin killed and started again", viewerRows(results));
        return results;
    } finally {
        await on.close();
    }
}
