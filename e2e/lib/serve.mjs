// Starts and stops the real `braidcast serve`, and waits until its film can be watched.

import { once } from "node:events";
import net from "node:net";
import { launch } from "./child.mjs";
import { braidcast } from "./paths.mjs";

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
export async function serve({ films, data, ladder, preset, port, args = [], onLine }) {
    port ??= await freePort();
    const url = `http://127.0.0.1:${port}`;
    const options = ["--listen", `127.0.0.1:${port}`, "--data", data];
    if (ladder) options.push("--ladder", ladder);
    if (preset) options.push("--preset", preset);
    const run = () => launch(braidcast(), ["serve", ...options, ...args, ...films], { onLine });
    let child = run();

    return {
        url,
        port,
        pid: () => child.pid,
        /**
         * The cards of the catalogue, once every film is said to be ready: one that is made anew is in the catalogue before,
         * in its old form. Fails when the server ends or after `ms`.
         */
        async streams(ms = 600_000) {
            const until = Date.now() + ms;
            for (;;) {
                if (!child.isRunning()) throw new Error(`braidcast serve ended (${await child.ended}):\n${child.lines.join("\n")}`);
                try {
                    const cards = await (await fetch(`${url}/api/v1/streams`)).json();
                    if (cards.length >= films.length && made(child.lines)) return cards;
                } catch {
                    // Not listening yet.
                }
                if (Date.now() > until) throw new Error(`no film after ${ms / 1000} s:\n${child.lines.join("\n")}`);
                await sleep(100);
            }
        },
        /** Ends it as ctrl-C does. */
        stop: () => child.end(),
        /** Ends it as a power cut does. */
        kill: () => child.end("SIGKILL"),
        /** Starts it again at the same address. */
        restart() {
            child = run();
        },
    };
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
