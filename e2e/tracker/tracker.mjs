// Our tracker, as processes of its own on free ports: alone, or several that are one through a NATS server.

import { setTimeout as sleep } from "node:timers/promises";
import { launch } from "../lib/child.mjs";
import { braidcast } from "../lib/paths.mjs";
import { freePort } from "../lib/serve.mjs";

/** Until trackers have heard of each other. */
const PATIENCE_MS = 30_000;

/** Starts a program, and waits for a line of its output that `found` makes something of. */
async function started(program, args, found) {
    const child = launch(program, args);
    return { said: await child.said(found), stop: () => child.end("SIGTERM") };
}

const node = (args) =>
    started(braidcast(), ["tracker", "--listen", "127.0.0.1:0", ...args], (line) => /^tracker\s+(\S+)/.exec(line)?.[1]);

/** Starts a tracker, or the `nodes` of a cluster: an announce URL, each time of the next node, and a way to stop. */
export async function start(nodes = Number(process.env.TRACKER_NODES ?? 1)) {
    const trackers = [];
    let nats;
    /** Stops all and returns the exit code of the first tracker. */
    const stop = async () => {
        const [code] = await Promise.all(trackers.map((one) => one.stop()));
        await nats?.stop();
        return code;
    };
    try {
        const args = [];
        if (nodes > 1) {
            const port = await freePort();
            const ready = (line) => line.includes("Server is ready");
            nats = await started("nats-server", ["-a", "127.0.0.1", "-p", `${port}`], ready);
            args.push("--cluster", `nats://127.0.0.1:${port}`);
        }
        trackers.push(...(await Promise.all(Array.from({ length: nodes }, () => node(args)))));
        const urls = trackers.map(({ said }) => said);
        if (nodes > 1) await linked(urls);
        let next = 0;
        return {
            get url() {
                return `${urls[next++ % nodes]}/announce`;
            },
            stop,
        };
    } catch (error) {
        await stop();
        throw error;
    }
}

async function linked(urls) {
    const heard = async (url) => (await (await fetch(`${url.replace("ws", "http")}/stats.json`)).json()).nodes;
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(100)) {
        if ((await Promise.all(urls.map(heard))).every((nodes) => nodes === urls.length)) return;
    }
    throw new Error("the trackers do not hear of each other");
}
