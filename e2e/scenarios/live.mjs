// A camera, an origin, and viewers who share: how old pictures are on their screens, and what leaves the origin for them.

import { broadcast } from "../lib/broadcast.mjs";
import { DELAYS } from "../lib/camera.mjs";
import { mean, sum } from "../lib/report.mjs";
import { sleep } from "../lib/serve.mjs";
import { showing, viewerRows } from "../lib/stage.mjs";

const SETTLE_MS = 2000;

/** What of the requests a front has counted are of one kind, a viewer and second. */
const asked = (on, pattern, viewers, seconds) => on.front.counts.requests.filter(({ path }) => pattern.test(path)).length / viewers / seconds;

const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? null;

/** Viewers come, watch for a while and go. */
async function watched(on, { mode, viewers, gapMs, seconds, attributes, during = () => sleep(seconds * 1000) }) {
    const delays = [];
    let [lasted, meanwhile] = [0, null];
    const results = await showing(on, {
        mode,
        viewers,
        gapMs,
        limitMs: 0,
        prefix: mode === "plain" ? "p" : "v",
        options: () => ({ attributes, scripts: [DELAYS] }),
        during: async (all) => {
            const begun = performance.now();
            meanwhile = await during(all);
            for (const one of all) delays.push(...(await one.page.evaluate(() => window.delays.map(([, delay]) => delay)).catch(() => [])));
            lasted = (performance.now() - begun) / 1000;
        },
    });
    const appended = sum(results.map((one) => one.appendedBytes));
    const media = on.front.counts.media;
    const each = viewers * (lasted + (gapMs * viewers) / 2000);
    return {
        results,
        meanwhile,
        p50: quantile(delays, 0.5) / 1000,
        p95: quantile(delays, 0.95) / 1000,
        pictures: delays.length,
        offload: 1 - media / appended,
        copies: media / (appended / viewers),
        stalledS: sum(results.map((one) => one.stalledS)),
        meanBps: mean(results.map((one) => one.meanBps)),
        playlists: asked(on, /\.m3u8$/, each, 1),
        heads: asked(on, /\/heads$/, each, 1),
        media: asked(on, /\.m4s$/, each, 1),
    };
}

function rows(report, name, seen) {
    report.rows(`${name}: viewers`, viewerRows(seen.results));
}

function compare(report, plain, ours) {
    const row = (name, seen) => ({
        viewers: name,
        "delay p50 s": seen.p50,
        "p95 s": seen.p95,
        "pictures read": seen.pictures,
        "offload %": 100 * seen.offload,
        copies: seen.copies,
        "stalled s": seen.stalledS,
        "mean kbit/s": Math.round(seen.meanBps / 1000),
        "playlists/s": seen.playlists,
        "heads/s": seen.heads,
        "media/s": seen.media,
    });
    report.rows("requests of a viewer in a second, and the rest", [row("hls.js alone", plain), row("Braidcast", ours)]);
    rows(report, "hls.js alone", plain);
    rows(report, "Braidcast", ours);
}

/**
 * Hls.js alone, then Braidcast, of one stream.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number, latency: "low" | "normal", bitsPerSecond?: number, p50Max?: number, p95Max?: number,
 *   offloadMin?: number, copiesMax?: number }} how
 */
export async function live(report, how) {
    const { viewers, seconds, gapMs, latency, bitsPerSecond, p50Max, p95Max, offloadMin, copiesMax } = how;
    const on = await broadcast({ bitsPerSecond });
    try {
        await sleep(SETTLE_MS);
        const attributes = { latency };
        const plain = await watched(on, { mode: "plain", viewers, gapMs, seconds, attributes });
        const ours = await watched(on, { mode: "braidcast", viewers, gapMs, seconds, attributes });
        report.holds("every viewer plays", ours.results.every((one) => one.playedS > seconds / 2));
        report.figure("capture to screen, median", ours.p50, { unit: "s", max: p50Max });
        report.figure("capture to screen, 95 %", ours.p95, { unit: "s", max: p95Max });
        report.figure("offload", ours.offload, { min: offloadMin });
        report.figure("origin's media", ours.copies, { unit: "copies", max: copiesMax });
        report.figure("stalled, all viewers", ours.stalledS, { unit: "s", max: plain.stalledS });
        if (bitsPerSecond) report.figure("mean rendition", ours.meanBps / 1000, { unit: "kbit/s", min: plain.meanBps / 1000 });
        report.figure("requests to the origin, of those of hls.js alone", (ours.playlists + ours.heads + ours.media) / (plain.playlists + plain.media));
        report.holds("nothing was refused", ours.results.every((one) => one.stats?.refused === 0));
        compare(report, plain, ours);
        return { plain, ours };
    } finally {
        await on.close();
    }
}

/**
 * What goes wrong while viewers watch: some of them die, the encoder is cut off, the origin dies and comes back.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, die: number, gapMs: number, seconds: number, stallMax: number, args?: string[] }} how `stallMax`: seconds that one who
 *   stays may stall when others die
 */
export async function mishaps(report, { viewers, die, gapMs, seconds, stallMax }) {
    const on = await broadcast();
    const still = async (all) => Promise.all(all.map(async (one) => (await one.probe()).stalledMs / 1000));
    const position = async (all) => Promise.all(all.map(async (one) => (await one.probe()).playedMs / 1000));
    try {
        await sleep(SETTLE_MS);
        const seen = await watched(on, {
            mode: "braidcast",
            viewers,
            gapMs,
            attributes: { latency: "low" },
            during: async (all) => {
                await sleep(seconds * 1000);
                const staying = all.slice(die);
                const before = await still(staying);
                for (const one of all.slice(0, die)) one.page.goto("chrome://crash").catch(() => {});
                await sleep(seconds * 1000);
                const after = await still(staying);
                report.figure("stalled by the death of neighbours, worst of those who stay", Math.max(...after.map((s, i) => s - before[i])), { unit: "s", max: stallMax });

                const goesOn = async (what, event) => {
                    await event();
                    await sleep(seconds * 1000);
                    const played = await position(staying);
                    await sleep(5000);
                    const later = await position(staying);
                    report.holds(`all play on after ${what}`, later.every((s, i) => s - played[i] > 3), later.map((s, i) => (s - played[i]).toFixed(1)).join(", "));
                };
                await goesOn("the encoder was gone for 5 s", () => on.interrupt(5000));
                await goesOn("the origin was gone for 3 s", () => on.restart(3000));
                all.splice(0, die);
            },
        });
        report.holds("nothing unsigned was played", seen.results.every((one) => one.stats && one.stats.refused === 0 && one.stats.bytesUnchecked === 0), JSON.stringify(seen.results.map((one) => one.stats?.bytesUnchecked)));
        rows(report, "those who stayed", seen);
    } finally {
        await on.close();
    }
}
