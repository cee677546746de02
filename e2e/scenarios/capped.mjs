// The origin's whole uplink is too small for everybody: viewers who share against viewers each on their own.

import { mean, sum } from "../lib/report.mjs";
import { LADDER, showing, stage, viewerRows } from "../lib/stage.mjs";

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number, bitsPerSecond: number, rounds?: number, preset?: string }} how
 */
export async function capped(report, how) {
    const { viewers, seconds, gapMs, bitsPerSecond, rounds = 1, preset } = how;
    const on = await stage({ seconds, ladder: LADDER, preset, bitsPerSecond });
    const all = { plain: [], braidcast: [] };
    try {
        // Stalls make a showing longer than the film.
        const limitMs = seconds * 3000;
        for (let round = 0; round < rounds; round += 1) {
            // In turns, so that what changes on this machine meanwhile falls on both.
            const order = round % 2 === 0 ? ["plain", "braidcast"] : ["braidcast", "plain"];
            for (const mode of order) {
                const results = await showing(on, { mode, viewers, gapMs, limitMs });
                all[mode].push(...results);
                report.rows(`${mode}, round ${round + 1}`, viewerRows(results));
                if (mode === "braidcast") {
                    const watched = mean(results.map((one) => one.appendedBytes));
                    report.figure(`origin's media in round ${round + 1}`, on.front.counts.media / watched, { unit: "copies" });
                }
            }
        }
        const stalled = (results) => sum(results.map((one) => one.stalledS));
        const rendition = (results) => mean(results.map((one) => one.meanBps)) / 1000;
        report.holds("every viewer with Braidcast saw the film to its end", all.braidcast.every((one) => one.ended));
        report.holds(
            "fewer stalled seconds than hls.js alone",
            stalled(all.braidcast) < stalled(all.plain) || stalled(all.braidcast) === 0,
            `${stalled(all.braidcast).toFixed(1)} s against ${stalled(all.plain).toFixed(1)} s`,
        );
        report.holds(
            "higher mean rendition than hls.js alone",
            rendition(all.braidcast) > rendition(all.plain),
            `${rendition(all.braidcast).toFixed(0)} kbit/s against ${rendition(all.plain).toFixed(0)} kbit/s`,
        );
        return all;
    } finally {
        await on.close();
    }
}
