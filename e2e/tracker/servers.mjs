// Trackers as processes on one processor, ours and the field's, and load from another processor.
//
// The others are what `scripts/trackers.sh` puts into `.cache/trackers`. One that is not there has its reason instead.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { launch } from "../lib/child.mjs";
import { cache, root } from "../lib/paths.mjs";
import { freePort } from "../lib/serve.mjs";

/** The processor of the server, and that of all clients. */
const SERVER = "0";
const CLIENTS = "1";
const PATIENCE_MS = 20_000;
/** So often it is told that a long load goes on. */
const TELL_EVERY_MS = 30_000;

const examples = join(root, "target/release/examples");
const others = cache("trackers");
const aquatic = join(others, "aquatic_ws/bin/aquatic_ws");
const wt = join(others, "wt-tracker/wt-tracker.mjs");

/** Builds our tracker and the load. */
export function build() {
    const what = ["--package", "braidcast-tracker", "--example", "tracker", "--example", "load"];
    execFileSync("cargo", ["build", "--release", "--quiet", ...what], { cwd: root, stdio: "inherit" });
}

/** How each tracker is started, by name: `missing` tells why it cannot be. */
const TRACKERS = {
    braidcast: { path: "/tracker", command: (port) => [join(examples, "tracker"), `127.0.0.1:${port}`, "--unlimited"] },
    "braidcast as it is": { path: "/tracker", command: (port) => [join(examples, "tracker"), `127.0.0.1:${port}`] },
    "braidcast among strangers": {
        path: "/tracker",
        command: (port) => [join(examples, "tracker"), `127.0.0.1:${port}`, "--among-strangers"],
    },
    "bittorrent-tracker": {
        path: "/",
        missing: () => !existsSync(join(root, "e2e/node_modules/bittorrent-tracker")) && "not installed: npm ci in e2e",
        command: (port) => ["node", join(root, "e2e/tracker/bittorrent.mjs"), String(port)],
    },
    aquatic_ws: {
        path: "/",
        missing: () => !existsSync(aquatic) && "not built: scripts/trackers.sh",
        command: (port) => {
            const config = join(others, "aquatic_ws.toml");
            writeFileSync(config, `log_level = "warn"\n[network]\naddress = "127.0.0.1:${port}"\n`);
            return [aquatic, "-c", config];
        },
    },
    "wt-tracker": {
        path: "/",
        missing: () => !existsSync(wt) && "not there: scripts/trackers.sh could not fetch it",
        command: (port) => {
            const config = join(others, "wt-tracker.json");
            const servers = [{ server: { port, host: "127.0.0.1" }, websockets: { path: "/*", compression: 0 } }];
            writeFileSync(config, JSON.stringify({ servers, tracker: { maxOffers: 20, announceInterval: 120 } }));
            return ["node", wt, config];
        },
    },
};

/** The others' names. */
export const OTHERS = ["bittorrent-tracker", "aquatic_ws", "wt-tracker"];

/** Why this tracker cannot be started, or null. */
export function missing(name) {
    return TRACKERS[name].missing?.() || null;
}

/** Before whom everybody else on this machine gives way, and who gives way to everybody. */
export const FIRST = ["--fifo", "1"];
export const LAST = ["--idle", "0"];

/** Whether this process may be so. */
export function may(priority) {
    return spawnSync("chrt", [...priority, "true"]).status === 0;
}

/**
 * Starts a tracker and waits until it takes connections.
 *
 * @param {string} name
 * @param {string[]} [priority] of `chrt`, its clients' as well
 */
export async function start(name, priority = []) {
    const { path, command } = TRACKERS[name];
    const port = await freePort();
    const server = launch("taskset", ["-c", SERVER, ...at(priority), ...command(port)], { stdio: ["ignore", "ignore", "inherit"] });
    const end = Date.now() + PATIENCE_MS;
    while (!(await answers(port))) {
        if (!server.isRunning() || Date.now() > end) throw new Error(`${name} does not start`);
        await sleep(50);
    }
    return {
        name,
        priority,
        pid: server.pid,
        url: `ws://127.0.0.1:${port}${path}`,
        /** Of ours: a sum that it tells of. */
        async sum(name) {
            const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
            return Number(new RegExp(`_${name}_total (\\d+)`).exec(metrics)?.[1] ?? NaN);
        },
        stop: () => server.end("SIGTERM"),
    };
}

/**
 * Puts load on a tracker, or attacks it, and returns the report of `crates/tracker/examples/load`.
 *
 * @param {{ url: string, pid: number, priority: string[] }} server
 * @param {Record<string, string | number>} options as on its command line
 * @param {string} [title] under which whoever waits is told that it goes on
 */
export async function load({ url, pid, priority }, options, title) {
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    // Attackers do not keep those who measure from their core: that is no delay of the tracker's.
    const politely = options.attack ? LAST : priority;
    const generator = spawn("taskset", ["-c", CLIENTS, ...at(politely), join(examples, "load"), url, "--pid", String(pid), ...flags], {
        stdio: ["ignore", "pipe", "pipe"],
    });
    const begun = Date.now();
    const tell = () => console.error(`${title}: ${Math.round((Date.now() - begun) / 1000)} of ${options.seconds} s`);
    const telling = title && setInterval(tell, TELL_EVERY_MS);
    if (title) tell();
    let [out, errors] = ["", ""];
    generator.stdout.on("data", (data) => (out += data));
    generator.stderr.on("data", (data) => (errors += data));
    const [code] = await once(generator, "close");
    clearInterval(telling);
    if (code !== 0) throw new Error(`the load ended with ${code}: ${errors.trim()}`);
    return JSON.parse(out);
}

function at(priority) {
    return priority.length ? ["chrt", ...priority] : [];
}

function answers(port) {
    return new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1");
        const told = (answer) => {
            socket.destroy();
            resolve(answer);
        };
        socket.once("connect", () => told(true));
        socket.once("error", () => told(false));
    });
}
