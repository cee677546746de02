// Viewers who watch one film together against the same viewers each on their own: what the origin sends, what is wasted,
// how soon the picture comes and whether it stops.

import { idling } from "../lib/machine.mjs";
import { mean, median, sum } from "../lib/report.mjs";
import { LADDER, showing, stage, viewerRows } from "../lib/stage.mjs";

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number, copiesMax: number, wastedMax?: number, startupMs?: number,
 *     ladder?: string, preset?: string }} how
 */
export async function swarm(report, how) {
    const { viewers, seconds, gapMs, copiesMax, wastedMax = 0.05, startupMs = 150, ladder = LADDER, preset } = how;
    const on = await stage({ seconds, ladder, preset });
    try {
        const limitMs = seconds * 1000 + 60_000;
        const idle = {};
        const send = (mode) => {
            const idleNow = idling();
            return showing(on, { mode, viewers, gapMs, limitMs, during: async () => (idle[mode] = idleNow()) });
        };
        const alone = await send("plain");
        const aloneMedia = on.front.counts.media;
        const together = await send("braidcast");
        const media = on.front.counts.media;

        const watched = mean(together.map((one) => one.appendedBytes));
        const delivered = sum(together.map((one) => one.stats.bytesFromOrigin + one.stats.bytesFromPeers));
        const wasted = sum(together.map((one) => one.stats.bytesWasted));
        const fromPeers = sum(together.map((one) => one.stats.bytesFromPeers));

        report.holds("every viewer saw the film to its end", [...alone, ...together].every((one) => one.ended));
        report.figure("origin's media, in copies of what one viewer watches", media / watched, { max: copiesMax });
        report.figure("the same with hls.js alone", aloneMedia / mean(alone.map((one) => one.appendedBytes)));
        report.figure("offload (share of media that came from viewers)", (100 * fromPeers) / delivered, { unit: "%", digits: 1 });
        report.figure("delivered but never used", (100 * wasted) / delivered, { max: 100 * wastedMax, unit: "%" });
        // What viewers say they got from the origin must be what left it.
        const said = sum(together.map((one) => one.stats.bytesFromOrigin));
        report.figure("origin's media that no viewer owns up to", (100 * (media - said)) / media, { max: 5, unit: "%" });
        const start = median(together.map((one) => one.startupMs));
        const startAlone = median(alone.map((one) => one.startupMs));
        report.figure("start-up, median", start, { max: Math.round(startAlone + startupMs), unit: "ms", digits: 0 });
        report.figure("start-up with hls.js alone, median", startAlone, { unit: "ms", digits: 0 });
        const stalls = Math.max(...together.map((one) => one.stalls));
        const stallsAlone = Math.max(...alone.map((one) => one.stalls));
        report.figure("stalls of the worst viewer", stalls, { max: stallsAlone });
        report.figure("mean rendition", mean(together.map((one) => one.meanBps)) / 1000, { unit: "kbit/s", digits: 0 });
        report.figure("mean rendition with hls.js alone", mean(alone.map((one) => one.meanBps)) / 1000, { unit: "kbit/s", digits: 0 });
        const cpu = together.map((one) => one.stats.engineCpuMs / one.playedS);
        report.figure("engine CPU per viewer", mean(cpu) / 10, { unit: "% of a core" });
        report.figure("processors idle while they came", idle.braidcast, { unit: "%", digits: 0 });
        report.figure("the same with hls.js alone", idle.plain, { unit: "%", digits: 0 });
        report.rows("together", viewerRows(together));
        report.rows("hls.js alone", viewerRows(alone));
        return { alone, together };
    } finally {
        await on.close();
    }
}
