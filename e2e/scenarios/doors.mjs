// Encoders that publish for minutes through each door, and are cut off again and again; and a stream of hours.

import { once } from "node:events";
import net from "node:net";
import { KEY, house, opened } from "../lib/broadcast.mjs";
import { browser } from "../lib/browser.mjs";
import { launch } from "../lib/child.mjs";
import { clip } from "../lib/clip.mjs";
import { files, flat, held } from "../lib/process.mjs";
import { freePort, sleep } from "../lib/serve.mjs";
import { publish } from "../lib/whip.mjs";

const SRT_KEY = "a-key-of-the-srt-door";
const WHIP_KEY = "a-key-of-the-whip-door";

/** How much more the origin may hold in the last third of a run. Threads that write to disk come and go. */
const PROCESS = { rssMb: { growth: 0.1, room: 4 }, descriptors: { growth: 0, room: 6 }, threads: { growth: 0, room: 8 } };

/** The same numbers each time. */
function random(seed) {
    let state = seed >>> 0;
    return () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
    };
}

/** ffmpeg sends a film again and again, as it is. */
function encoder(film, args) {
    const all = ["-v", "error", "-nostdin", ...args.before, "-stream_loop", "-1", "-i", film, "-c", "copy", ...args.after];
    const child = launch("ffmpeg", all, { stdio: "ignore" });
    return { ended: child.ended, stop: (signal = "SIGKILL") => child.end(signal) };
}

/** A line to a TCP port that can be cut. */
async function line(to) {
    const sockets = new Set();
    const server = net.createServer((from) => {
        const on = net.connect(to, "127.0.0.1");
        for (const [one, other] of [[from, on], [on, from]]) {
            sockets.add(one);
            one.on("error", () => {}).on("close", () => {
                sockets.delete(one);
                other.destroy();
            });
            one.pipe(other);
        }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
        port: server.address().port,
        /** With a reset in the middle of whatever was being sent. */
        cut: () => sockets.forEach((socket) => socket.resetAndDestroy()),
        close: () => server.close(),
    };
}

/** Parts that each stream has had. */
async function parts(origin) {
    const text = await (await fetch(`${origin.url}/metrics`)).text();
    const found = text.matchAll(/^braidcast_live_parts_total\{stream="([^"]+)"\} (\d+)/gm);
    return Object.fromEntries([...found].map(([, stream, count]) => [stream, Number(count)]));
}

/**
 * An encoder at the RTMP door, one at the SRT door and a page at the WHIP door, all cut off at random.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ minutes: number, seed: number, cutEveryS: number, backS: number }} how `backS`: longest until parts come again after a cut
 */
export async function doors(report, { minutes, seed, cutEveryS, backS }) {
    const [srt, udp] = [await freePort(), await freePort()];
    const origin = await house({
        args: ["--passthrough", "--ingest", `srt://127.0.0.1:${srt}/srt`, "--ingest", `whip://127.0.0.1:${udp}`, "--key", `srt=${SRT_KEY}`,
            "--key", `whip=${WHIP_KEY}`, "--dvr", "1m"],
    });
    const film = await clip({ seconds: 30 });
    const chromium = await browser({ flags: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] });
    const wire = await line(Number(new URL(origin.to).port));
    let over = false;
    /** Each publishes until it is cut off, and then again. */
    const publishers = {
        async live() {
            const to = `rtmp://127.0.0.1:${wire.port}/live/${KEY}`;
            while (!over) {
                await encoder(film, { before: ["-re"], after: ["-f", "flv", to] }).ended;
                await sleep(1000);
            }
        },
        async srt() {
            const to = `srt://127.0.0.1:${srt}?mode=caller&passphrase=${SRT_KEY}&pbkeylen=16`;
            while (!over) {
                const one = encoder(film, { before: ["-re"], after: ["-f", "mpegts", to] });
                cuts.srt.act = () => one.stop();
                await one.ended;
                await sleep(1000);
            }
        },
        async whip() {
            while (!over) {
                const page = await chromium.newPage();
                const gone = new Promise((resolve) => {
                    cuts.whip.act = resolve;
                });
                await page.goto(`${origin.url}/api/v1/streams`);
                await page.evaluate(publish, WHIP_KEY, "whip");
                await gone;
                await page.close();
                await sleep(1000);
            }
        },
    };
    const cuts = { live: { act: wire.cut, count: 0 }, srt: { act() {}, count: 0 }, whip: { act() {}, count: 0 } };
    const samples = [];
    const waits = { live: [], srt: [], whip: [] };
    try {
        await opened(origin);
        const all = Object.values(publishers).map((one) => one().catch((error) => report.holds("publishers go on", false, error.message)));
        const dice = random(seed);
        const next = () => Date.now() + cutEveryS * 1000 * (0.5 + dice());
        const state = Object.fromEntries(Object.keys(cuts).map((stream) => [stream, { at: next(), last: Date.now(), seen: 0 }]));
        const until = Date.now() + minutes * 60_000;
        for (let turn = 0; Date.now() < until; turn += 1) {
            await sleep(1000);
            const born = await parts(origin);
            for (const [stream, one] of Object.entries(state)) {
                const now = born[stream] ?? 0;
                if (now !== one.seen) {
                    waits[stream].push((Date.now() - one.last) / 1000);
                    [one.seen, one.last] = [now, Date.now()];
                }
                // The last cut is followed by time enough to come back.
                if (Date.now() > one.at && Date.now() < until - backS * 1000) {
                    cuts[stream].act();
                    cuts[stream].count += 1;
                    one.at = next();
                }
            }
            if (turn % 5 === 0) samples.push({ ...held(origin.pid), files: files(origin.data) });
        }
        for (const [stream, one] of Object.entries(state)) {
            report.figure(`${stream}: cut off`, cuts[stream].count, { unit: "times", min: 1 });
            report.figure(`${stream}: longest without a part`, Math.max(...waits[stream], (Date.now() - one.last) / 1000), { unit: "s", max: backS, digits: 1 });
            report.figure(`${stream}: parts`, one.seen, { min: minutes * 60 });
            const answer = await fetch(`${origin.url}/s/${stream}/master.m3u8`);
            report.holds(`${stream}: can be played at the end`, answer.ok);
        }
        over = true;
        for (const { act } of Object.values(cuts)) act();
        await Promise.all(all);
    } finally {
        over = true;
        wire.close();
        await chromium.close();
        const { children } = held(origin.pid);
        await origin.stop();
        report.figure("processes of the origin when all publishers are gone (SRT's listener and WHIP's sound)", children, { max: 2 });
    }
    flat(report, samples, {
        ...PROCESS,
        children: { growth: 0, room: 1 },
        files: { growth: 0.1, room: 4 },
    });
    report.rows("held by the origin", samples.filter((_, at) => at % Math.ceil(samples.length / 12) === 0));
}

/**
 * A stream of hours, sent `times` as fast as it was filmed: what is held stays what it is, and viewers can go back all the while.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ hours: number, times: number, dvr: string, seed: number }} how
 */
export async function hours(report, { hours: long, times, dvr, seed }) {
    const origin = await house({ args: ["--passthrough", "--dvr", dvr] });
    const film = await clip({ seconds: 30 });
    const dice = random(seed);
    const samples = [];
    let [seeks, failed, one] = [0, [], null];
    try {
        await opened(origin);
        one = encoder(film, { before: ["-readrate", String(times)], after: ["-f", "flv", origin.to] });
        const media = `${origin.url}/s/live/v0`;
        const until = Date.now() + (long * 3600_000) / times;
        for (let turn = 0; Date.now() < until; turn += 1) {
            await sleep(1000);
            const answer = await fetch(`${media}/media.m3u8`).catch(() => null);
            if (!answer?.ok) {
                if (turn > 20) failed.push(`playlist: ${answer?.status}`);
                continue;
            }
            const text = await answer.text();
            const segments = text.split("\n").filter((line) => /^\d+\.m4s/.test(line));
            // Anywhere in the window, its very end too.
            for (const at of [0, Math.floor(dice() * segments.length), segments.length - 1]) {
                const segment = await fetch(`${media}/${segments[at]}`);
                const bytes = Buffer.from(await segment.arrayBuffer());
                seeks += 1;
                if (!segment.ok || bytes.subarray(4, 8).toString() !== "styp") failed.push(`${segments[at]} of ${segments.length}: ${segment.status}`);
            }
            const first = Number(/MEDIA-SEQUENCE:(\d+)/.exec(text)[1]);
            if (turn % 5 === 0) samples.push({ ...held(origin.pid), files: files(origin.data), segments: segments.length, first });
        }
    } finally {
        await one?.stop();
        await origin.stop();
    }
    const last = samples.at(-1);
    report.figure("segments that have left the window", last.first, { min: last.segments });
    report.figure("segments asked for in the window", seeks);
    report.holds("each was there", failed.length === 0, failed.slice(0, 5).join("; "));
    flat(report, samples, {
        ...PROCESS,
        files: { growth: 0.02, room: 4 },
        segments: { growth: 0.02, room: 2 },
    });
    report.rows("held by the origin", samples.filter((_, at) => at % Math.ceil(samples.length / 12) === 0));
}
