// Programs that a test or a bench starts: what they say, and how they end.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A program that was asked to end has so long. */
const PATIENCE_MS = 20_000;

const running = new Set();
// Nothing that was started outlives who started it.
process.on("exit", () => {
    for (const child of running) child.kill("SIGKILL");
});

/**
 * Starts a program.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ onLine?: (line: string) => void } & import("node:child_process").SpawnOptions} [options] `onLine` is told what it says, on
 *   whatever of its outputs is a pipe, without empty lines
 */
export function launch(program, args, { onLine = () => {}, ...options } = {}) {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    running.add(child);
    const ended = once(child, "exit").then(([code, signal]) => code ?? signal).finally(() => running.delete(child));
    const lines = [];
    const waiting = new Set();
    for (const input of [child.stdout, child.stderr].filter(Boolean)) {
        createInterface({ input }).on("line", (line) => {
            if (!line.trim()) return;
            lines.push(line);
            onLine(line);
            for (const look of waiting) look(line);
        });
    }
    return {
        pid: child.pid,
        stdin: child.stdin,
        /** All that it has said. */
        lines,
        /** Its exit code, or the signal that ended it, once there is one. */
        ended,
        isRunning: () => child.exitCode === null && child.signalCode === null,
        /** What `found` makes of the first line of which it makes something; fails when the program ends. */
        said: (found) => new Promise((resolve, reject) => {
            const look = (line) => {
                const what = found(line);
                if (what) {
                    waiting.delete(look);
                    resolve(what);
                }
                return what;
            };
            if (lines.some(look)) return;
            waiting.add(look);
            ended.then((how) => reject(new Error(`${program} ${args[0]} ended (${how}):\n${lines.join("\n")}`)), reject);
        }),
        /** Asks it to end, as ctrl-C does, and waits until it has; by force if it does not. @returns {Promise<number | string>} see `ended` */
        async end(signal = "SIGINT") {
            child.kill(signal);
            const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
            return ended.finally(() => clearTimeout(late));
        },
    };
}
