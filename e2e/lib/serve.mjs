// Starts and stops the real `braidcast serve`, and waits until its film can be watched.

import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { braidcast } from "./paths.mjs";

const running = new Set();
// Nothing that a test started outlives it.
process.on("exit", () => {
    for (const child of running) child.kill("SIGKILL");
});

/** A port that was free a moment ago. */
export async function freePort() {
    const server = net.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    server.close();
    await once(server, "close");
    return port;
}

/**
 * @param {{ films: string[], data: string, ladder?: string, preset?: string, port?: number, args?: string[],
 *     onLine?: (line: string) => void }} what
 *   `data` is kept: a film that was packaged there before is not packaged again.
 */
export async function serve({ films, data, ladder, preset, port, args = [], onLine = () => {} }) {
    port ??= await freePort();
    const url = `http://127.0.0.1:${port}`;
    const options = ["--listen", `127.0.0.1:${port}`, "--data", data];
    if (ladder) options.push("--ladder", ladder);
    if (preset) options.push("--preset", preset);
    const log = [];
    let child = null;

    const start = () => {
        log.length = 0;
        child = spawn(braidcast(), ["serve", ...options, ...args, ...films], { stdio: ["ignore", "pipe", "pipe"] });
        running.add(child);
        const one = child;
        child.on("exit", () => running.delete(one));
        for (const stream of [child.stdout, child.stderr]) {
            let rest = "";
            stream.setEncoding("utf8").on("data", (text) => {
                const lines = (rest + text).split(/[\r\n]+/);
                rest = lines.pop();
                for (const line of lines.filter((line) => line.trim())) {
                    log.push(line);
                    onLine(line);
                }
            });
        }
    };
    start();

    const server = {
        url,
        port,
        log,
        pid: () => child.pid,
        /**
         * The cards of the catalogue, once every film is said to be ready: one that is made anew is in the catalogue before,
         * in its old form. Fails when the server ends or after `ms`.
         */
        async streams(ms = 600_000) {
            const until = Date.now() + ms;
            for (;;) {
                if (child.exitCode !== null || child.signalCode !== null) {
                    throw new Error(`braidcast serve ended (${child.exitCode ?? child.signalCode}):\n${log.join("\n")}`);
                }
                try {
                    const cards = await (await fetch(`${url}/api/v1/streams`)).json();
                    if (cards.length >= films.length && made(log)) return cards;
                } catch {
                    // Not listening yet.
                }
                if (Date.now() > until) throw new Error(`no film after ${ms / 1000} s:\n${log.join("\n")}`);
                await sleep(100);
            }
        },
        /** Ends it as ctrl-C does. */
        async stop() {
            if (child.exitCode !== null || child.signalCode !== null) return;
            const ended = once(child, "exit");
            child.kill("SIGINT");
            const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
            await ended;
            clearTimeout(timer);
        },
        /** Ends it as a power cut does. */
        async kill() {
            const ended = once(child, "exit");
            child.kill("SIGKILL");
            await ended;
        },
        /** Starts it again at the same address. */
        restart: start,
    };
    return server;
}

/** Whether everything that it said it would package or update has been said to be ready since. */
function made(log) {
    if (!log.some((line) => line.startsWith("To show it"))) return false;
    const begun = log.map((line, at) => (/^(?:packaging|updating) /.test(line) ? at : -1)).filter((at) => at >= 0);
    const ready = log.filter((line, at) => line.startsWith("ready ") && at > (begun.at(-1) ?? -1));
    return ready.length >= begun.length;
}

/** @param {number} ms */
export function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
}
