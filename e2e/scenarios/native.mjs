// Browsers that join a viewer without one: it has seen the film, and they get it from there.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { mean, sum } from "../lib/report.mjs";
import { LADDER, showing, stage, viewerRows } from "../lib/stage.mjs";
import { watch } from "../lib/natives.mjs";

const run = promisify(execFile);

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number, copiesMax: number, shareMin: number, preset?: string }} how
 */
export async function native(report, how) {
    const { viewers, seconds, gapMs, copiesMax, shareMin, preset } = how;
    const on = await stage({ seconds, ladder: LADDER, preset });
    try {
        const node = await watch({ url: on.at(`/s/${on.card.slug}/master.m3u8`), key: on.key });
        // A player that takes it as fast as it comes.
        await run("ffmpeg", ["-nostdin", "-v", "error", "-i", node.movie, "-map", "0", "-c", "copy", "-f", "null", "-"]);
        const limitMs = seconds * 1000 + 60_000;
        const seen = await showing(on, { mode: "braidcast", viewers, gapMs, limitMs });
        const media = on.front.counts.media;
        const moved = await node.moved();

        const watched = mean(seen.map((one) => one.appendedBytes));
        const delivered = sum(seen.map((one) => one.stats.bytesFromOrigin + one.stats.bytesFromPeers));
        report.holds("every viewer saw the film to its end", seen.every((one) => one.ended));
        report.figure("origin's media for the browsers, in copies", media / watched, { max: copiesMax });
        report.figure("share of the browsers' media that the native viewer gave", (100 * moved.toPeers) / delivered, {
            min: 100 * shareMin,
            unit: "%",
            digits: 1,
        });
        report.figure("stalls of the worst viewer", Math.max(...seen.map((one) => one.stalls)), { max: 0 });
        report.rows("browsers", viewerRows(seen));
        return { seen, moved };
    } finally {
        await on.close();
    }
}
