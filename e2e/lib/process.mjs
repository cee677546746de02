// What a running program holds, by its system's own account: Linux only.

import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** @returns {{ rssMb: number, descriptors: number, threads: number, children: number }} of a process at this moment */
export function held(pid) {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const number = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)[1]);
    const tasks = readdirSync(`/proc/${pid}/task`);
    const children = tasks.flatMap((task) => {
        try {
            return readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean);
        } catch {
            return []; // it has just ended
        }
    });
    return {
        rssMb: number("VmRSS") / 1024,
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
        threads: number("Threads"),
        children: children.length,
    };
}

/** @returns {number} files under a folder, while others write there */
export function files(folder) {
    let count = 0;
    for (const entry of readdirSync(folder, { recursive: true })) {
        try {
            count += statSync(join(folder, entry)).isFile() ? 1 : 0;
        } catch {
            // it is gone
        }
    }
    return count;
}

/**
 * Says of each thing that is held how it grew from the middle third of a run to the last, and that it did not grow beyond noise.
 *
 * @param {import("./report.mjs").Report} report
 * @param {Record<string, number>[]} samples in the order of time
 * @param {Record<string, { growth: number, room: number }>} bounds largest growth as a share, beside so many that do not count
 */
export function flat(report, samples, bounds) {
    const third = Math.floor(samples.length / 3);
    const most = (from, to, what) => Math.max(...samples.slice(from, to).map((sample) => sample[what]));
    for (const [what, { growth, room }] of Object.entries(bounds)) {
        const [middle, last] = [most(third, 2 * third, what), most(2 * third, samples.length, what)];
        report.figure(`${what}, most in the last third (in the middle one: ${middle.toFixed(0)})`, last, { max: middle * (1 + growth) + room, digits: 0 });
    }
}
