// An office behind one thin line, with an edge in it that has nothing yet: the line carries one stream of the best quality.

import { edge } from "../lib/natives.mjs";
import { mean, sum } from "../lib/report.mjs";
import { LADDER, showing, stage, viewerRows } from "../lib/stage.mjs";

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number, bitsPerSecond: number, copiesMax: number, topMin: number, ladder?: string,
 *   preset?: string }} how `topMin`: of the best quality's bit rate, what viewers play on average
 */
export async function office(report, how) {
    const { viewers, seconds, gapMs, bitsPerSecond, copiesMax, topMin, ladder = LADDER, preset } = how;
    const on = await stage({ seconds, ladder, preset, bitsPerSecond });
    try {
        const node = await edge({ upstream: on.at(`/watch/${on.card.slug}`), key: on.key });
        const seen = await showing(on, { mode: "braidcast", viewers, gapMs, limitMs: seconds * 3000 });
        const media = on.front.counts.media;
        const moved = await node.moved();

        const watched = mean(seen.map((one) => one.appendedBytes));
        const delivered = sum(seen.map((one) => one.stats.bytesFromOrigin + one.stats.bytesFromPeers));
        const top = Math.max(...on.card.renditions.filter((one) => one.kind === "video").map((one) => one.bandwidth));
        report.holds("every viewer saw the film to its end", seen.every((one) => one.ended));
        report.figure("stalls of the worst viewer", Math.max(...seen.map((one) => one.stalls)), { max: 0 });
        report.figure("mean rendition, of the best one", mean(seen.map((one) => one.meanBps)) / top, { min: topMin });
        report.figure("origin's media for edge and browsers, in copies", media / watched, { max: copiesMax });
        report.figure("of that the edge's", (100 * moved.fromOrigin) / media, { unit: "%", digits: 1 });
        report.figure("share of the browsers' media that the edge gave", (100 * moved.toPeers) / delivered, { unit: "%", digits: 1 });
        report.rows("browsers", viewerRows(seen));
        return { seen, moved };
    } finally {
        await on.close();
    }
}
