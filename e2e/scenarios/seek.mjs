// Seeks in the single file that a viewer without a browser gives to players.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { median } from "../lib/report.mjs";
import { LADDER, stage } from "../lib/stage.mjs";
import { watch } from "../lib/natives.mjs";

const run = promisify(execFile);

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ seconds: number, seeks: number, worstMs: number, preset?: string }} how
 */
export async function seeking(report, how) {
    const { seconds, seeks, worstMs, preset } = how;
    const on = await stage({ seconds, ladder: LADDER, preset });
    let node = null;
    try {
        node = await watch({ url: on.at(`/s/${on.card.slug}/master.m3u8`), key: on.key });
        const took = [];
        for (let number = 0; number < seeks; number += 1) {
            const to = (Math.random() * (seconds - 1)).toFixed(3);
            const begun = performance.now();
            const { stdout } = await run("ffmpeg", [
                "-nostdin", "-v", "error", "-ss", to, "-i", node.movie, "-frames:v", "1", "-f", "framehash", "-",
            ]);
            took.push(performance.now() - begun);
            if (!/^0,/m.test(stdout)) throw new Error(`no picture at ${to} s`);
        }
        report.figure("until the picture, player's start included, worst", Math.max(...took), { max: worstMs, unit: "ms", digits: 0 });
        report.figure("the same, median", median(took), { unit: "ms", digits: 0 });
        report.figure("seeks", seeks);
    } finally {
        await node?.stop();
        await on.close();
    }
}
