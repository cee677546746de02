// `make demo`: a film, the service, some headless viewers, and a table of what happens. Ctrl-C ends all of it.
//
//   node scripts/demo.mjs [--video film.mp4] [--viewers 6] [--seconds 120] [--keep]
//
// --keep leaves service and viewers running until ctrl-C. LISTEN=0.0.0.0:8080 lets other machines in.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { browser, viewer } from "../e2e/lib/browser.mjs";
import { clip } from "../e2e/lib/clip.mjs";
import { cache, root } from "../e2e/lib/paths.mjs";
import { mean, median, sum, table } from "../e2e/lib/report.mjs";
import { freePort, serve, sleep } from "../e2e/lib/serve.mjs";

const GAP_MS = 2000;
const live = process.stdout.isTTY === true;

const { values: options } = parseArgs({
    options: {
        video: { type: "string" },
        viewers: { type: "string", default: "6" },
        seconds: { type: "string", default: process.env.DEMO_SECONDS ?? "120" },
        keep: { type: "boolean", default: false },
    },
});

/** What is to be closed, last first. */
const open = [];
let ending = null;

async function close() {
    ending ??= (async () => {
        for (const one of open.reverse()) await one().catch(() => {});
    })();
    return ending;
}

let interrupted = 0;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
        interrupted += 1;
        // Once more: at once.
        if (interrupted > 1) process.exit(130);
        console.log("\nStopping ...");
        close().then(() => process.exit(130));
    });
}

async function demo() {
    const wanted = Number(options.viewers);
    if (!Number.isInteger(wanted) || wanted < 1 || wanted > 50) throw new Error("--viewers is a number from 1 to 50");
    const film = options.video ? resolve(process.env.INIT_CWD ?? process.cwd(), options.video) : null;
    if (film && !existsSync(film)) throw new Error(`there is no file ${film}`);

    if (!process.env.BRAIDCAST_BIN) {
        await step("Building the player (WebAssembly and TypeScript)", () => run("npm", ["run", "--silent", "build"], { cwd: join(root, "player"), quiet: true }));
        console.log("- Building the service (a few minutes the first time)");
        await run(process.env.CARGO ?? "cargo", ["build", "--release", "--package", "braidcast"], { cwd: root });
    }
    const source = film ?? (await step("Making a film of a minute", () => clip({ seconds: 60, noise: 4, name: "Test film" })));

    const [host, port] = (process.env.LISTEN ?? `127.0.0.1:${(await isFree(8080)) ? 8080 : await freePort()}`).split(/:(?=\d+$)/);
    let progress = "";
    const origin = await serve({
        films: [source],
        data: cache("demo"),
        port: Number(port),
        args: host === "127.0.0.1" ? [] : ["--listen", `${host}:${port}`],
        onLine: (line) => {
            progress = /\d+ %.*/.exec(line)?.[0] ?? progress;
        },
    });
    open.push(() => origin.stop());
    const cards = await step(`Encoding and packaging ${basename(source)}`, () => origin.streams(24 * 3600_000), () => progress);
    const card = cards.find(({ title }) => title === basename(source).replace(/\.[^.]*$/, "")) ?? cards.at(-1);
    const page = `${origin.url}/watch/${card.slug}`;
    const rungs = card.renditions.filter(({ kind }) => kind === "video").map(({ height, bandwidth }) => `${height}p ${kbps(bandwidth)}`);
    console.log(`
  Watch it yourself:  ${page}
  Catalogue:          ${origin.url}/
  Renditions:         ${rungs.join(", ")}
`);

    const chromium = await step("Starting Chromium", () => browser());
    open.push(() => chromium.close());
    const all = [];
    const started = Date.now();
    const coming = (async () => {
        for (let number = 1; number <= wanted && !interrupted; number += 1) {
            const next = Date.now() + GAP_MS;
            all.push(await viewer(chromium, { name: `viewer-${number}`, url: page, size: { width: 1000, height: 700 } }));
            await sleep(next - Date.now());
        }
    })();
    coming.catch(() => {});

    const limit = options.keep ? Infinity : started + 1000 * (Math.min(Number(options.seconds), card.duration_s + 15) + (wanted * GAP_MS) / 1000);
    const screen = new Screen();
    let seen = [];
    while (!interrupted) {
        seen = await look(all);
        const status = await (await fetch(`${origin.url}/api/v1/status`)).json().catch(() => null);
        screen.show(picture(seen, status, wanted, card));
        const over = all.length === wanted && seen.length === wanted && seen.every((one) => one.ended);
        if ((over && !options.keep) || Date.now() > limit) break;
        await sleep(1000);
    }
    if (interrupted) return;
    await coming;
    summary(seen, await (await fetch(`${origin.url}/api/v1/status`)).json(), Date.now() - started);
}

/** What every viewer that is in says of itself. */
async function look(all) {
    const seen = await Promise.all(
        all.map(async (one) => {
            try {
                const [probe, stats] = await Promise.all([one.probe(), one.stats()]);
                return stats && { name: one.name, ended: probe.ended, position: probe.position, ...stats };
            } catch {
                return null;
            }
        }),
    );
    return seen.filter(Boolean);
}

function picture(seen, status, wanted, card) {
    const rows = seen.map((one) => ({
        viewer: one.name,
        at: one.ended ? "end" : `${one.position.toFixed(0)} s`,
        rendition: one.rendition ? `${one.rendition.height}p ${kbps(one.rendition.bandwidth)}` : "-",
        "from origin": megabytes(one.bytesFromOrigin),
        "from peers": megabytes(one.bytesFromPeers),
        offload: percent(one.bytesFromPeers, one.bytesFromOrigin + one.bytesFromPeers),
        "to peers": megabytes(one.bytesToPeers),
        peers: one.peersConnected,
        stalls: one.stalls ? `${one.stalls} (${one.stalledSeconds.toFixed(1)} s)` : "0",
        "start-up": one.startupMs === null ? "-" : `${Math.round(one.startupMs)} ms`,
    }));
    const origin = sum(seen.map((one) => one.bytesFromOrigin));
    const peers = sum(seen.map((one) => one.bytesFromPeers));
    const lines = [
        `${card.title}: ${seen.length} of ${wanted} viewers are in${status ? `, ${status.tracker.members} in the swarm with you` : ""}`,
        rows.length ? table(rows) : "  ...",
        `  all: ${megabytes(origin)} from the origin, ${megabytes(peers)} from peers, offload ${percent(peers, origin + peers)}`,
    ];
    return lines.join("\n");
}

function summary(seen, status, tookMs) {
    const origin = sum(seen.map((one) => one.bytesFromOrigin));
    const peers = sum(seen.map((one) => one.bytesFromPeers));
    const each = mean(seen.map((one) => one.bytesFromOrigin + one.bytesFromPeers));
    const stalls = sum(seen.map((one) => one.stalls));
    console.log(`
Summary
  viewers          ${seen.length}, ${seen.filter((one) => one.ended).length} saw the film to its end, in ${(tookMs / 1000).toFixed(0)} s
  from the origin  ${megabytes(origin)}: ${(origin / each).toFixed(2)} copies of what one viewer received (alone: ${seen.length})
  from peers       ${megabytes(peers)}: offload ${percent(peers, origin + peers)}
  never used       ${megabytes(sum(seen.map((one) => one.bytesWasted)))}
  stalls           ${stalls}${stalls ? `, ${sum(seen.map((one) => one.stalledSeconds)).toFixed(1)} s` : ""}
  start-up         ${Math.round(median(seen.map((one) => one.startupMs)))} ms (median)
  engine CPU       ${percent(sum(seen.map((one) => one.engineCpuMs)) / 1000, sum(seen.map((one) => one.playedSeconds)), 2)} of a core for each viewer
  the origin says  ${megabytes(status.media_bytes_served)} of media served, your own browser's included
`);
}

/** A table that is redrawn where it stands; where there is no terminal, printed now and then. */
class Screen {
    #lines = 0;
    #printed = 0;

    show(text) {
        if (!live) {
            if (Date.now() - this.#printed < 10_000) return;
            this.#printed = Date.now();
            console.log(`${text}\n`);
            return;
        }
        const width = process.stdout.columns ?? 80;
        const lines = text.split("\n").map((line) => line.slice(0, width - 1));
        const up = this.#lines ? `\x1b[${this.#lines}A` : "";
        process.stdout.write(`${up}\x1b[J${lines.join("\n")}\n`);
        this.#lines = lines.length;
    }
}

/** Says what is under way, for how long, and how far it is. */
async function step(what, work, how = () => "") {
    const started = Date.now();
    const line = () => `- ${what} ... ${[how(), `${((Date.now() - started) / 1000).toFixed(0)} s`].filter(Boolean).join(", ")}`;
    if (!live) console.log(`- ${what}`);
    let told = started;
    const timer = setInterval(() => {
        if (live) process.stdout.write(`\r\x1b[K${line()}`);
        else if (Date.now() - told > 10_000) {
            told = Date.now();
            console.log(line());
        }
    }, 250);
    try {
        return await work();
    } finally {
        clearInterval(timer);
        if (live) process.stdout.write(`\r\x1b[K${line()}\n`);
    }
}

/** Runs a program to its end. `quiet`: what it says is shown only if it fails. */
function run(program, args, { cwd, quiet = false }) {
    return new Promise((done, failed) => {
        const child = spawn(program, args, { cwd, stdio: quiet ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"] });
        let said = "";
        for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text) => (said += text));
        const stop = async () => void child.kill("SIGTERM");
        open.push(stop);
        child.on("error", failed);
        child.on("exit", (code) => {
            open.splice(open.indexOf(stop), 1);
            if (code === 0) done();
            else failed(new Error(`${program} ${args.join(" ")} failed\n${said}`));
        });
    });
}

async function isFree(port) {
    const { createServer } = await import("node:net");
    return new Promise((done) => {
        const server = createServer();
        server.once("error", () => done(false));
        server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
    });
}

function megabytes(bytes) {
    return `${(bytes / 1e6).toFixed(1)} MB`;
}

function kbps(bits) {
    return bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1e3)} kbit/s`;
}

function percent(part, whole, digits = 0) {
    return whole ? `${((100 * part) / whole).toFixed(digits)} %` : "-";
}

try {
    await demo();
} catch (error) {
    if (!interrupted) {
        console.error(`\ndemo: ${error.message}`);
        process.exitCode = 1;
    }
} finally {
    if (!interrupted) await close();
}
