// Starts and stops the real `braidcast watch`: a viewer without a browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { braidcast } from "./paths.mjs";

const running = new Set();
// Nothing that a test started outlives it.
process.on("exit", () => {
    for (const child of running) child.kill("SIGKILL");
});

/**
 * @param {{ url: string, key?: string, args?: string[] }} what `url`: of the film
 * @returns {Promise<{ hls: string, movie: string, moved: () => Promise<Moved>, pid: number }>} once players can ask
 * @typedef {{ fromPeers: number, fromOrigin: number, toPeers: number }} Moved in bytes
 */
export async function watch({ url, key, args = [] }) {
    const options = ["--player", "none", ...(key ? ["--key", key] : []), ...args];
    const child = spawn(braidcast(), ["watch", url, ...options], { stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    const ended = once(child, "exit").finally(() => running.delete(child));
    const lines = [];
    let heard = () => {};
    for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
            lines.push(line);
            heard();
        });
    }
    const address = async (what) => {
        for (;;) {
            const line = lines.find((line) => line.startsWith(what));
            if (line) return line.split(/\s+/)[1];
            const news = new Promise((resolve) => { heard = resolve; });
            const over = ended.then(() => { throw new Error(`braidcast watch ended:\n${lines.join("\n")}`); });
            await Promise.race([news, over]);
        }
    };
    return {
        hls: await address("HLS"),
        movie: await address("MP4"),
        pid: child.pid,
        /** Ends it as ctrl-C does; what it moved until then. */
        async moved() {
            child.kill("SIGINT");
            await ended;
            const line = lines.findLast((line) => line.includes(" MB from viewers"));
            const [, peers, origin, others] = /([\d.]+) MB from viewers .*?([\d.]+) MB from the origin, ([\d.]+) MB to/.exec(line);
            return { fromPeers: peers * 1e6, fromOrigin: origin * 1e6, toPeers: others * 1e6 };
        },
    };
}
