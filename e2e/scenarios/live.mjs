// A camera, an origin, and viewers who share: how old pictures are on their screens, what leaves the origin for them, and what they see when
// viewers, encoder or origin die.

import { broadcast, until } from "../lib/broadcast.mjs";
import { viewer } from "../lib/browser.mjs";
import { DELAYS } from "../lib/camera.mjs";
import { falseClock } from "../lib/clock.mjs";
import { idling } from "../lib/machine.mjs";
import { mean, median, sum } from "../lib/report.mjs";
import { delaysS, readings, recoveredS, skippedS } from "../lib/screens.mjs";
import { sleep } from "../lib/serve.mjs";
import { showing, viewerRows } from "../lib/stage.mjs";

/** Until the stream has as much of itself as a viewer needs who begins behind its edge. */
const SETTLE_MS = { low: 3000, normal: 12_000 };

/** Viewers come, watch for a while and go; `during` is told of them when all are in. */
async function watched(on, { mode, viewers, gapMs, seconds, attributes, during }) {
    const from = performance.now();
    let [lasted, idle, seen] = [0, null, []];
    const results = await showing(on, {
        mode,
        viewers,
        gapMs,
        limitMs: 0,
        prefix: mode === "plain" ? "p" : "v",
        options: () => ({ attributes, scripts: [DELAYS] }),
        during: async (all) => {
            const idleNow = idling();
            if (during) await during(all);
            else await sleep(seconds * 1000);
            idle = idleNow();
            seen = await Promise.all(all.map((one) => readings(one.page)));
            lasted = (performance.now() - from) / 1000;
        },
    });
    for (const [at, one] of results.entries()) Object.assign(one, { seen: seen[at], skippedS: skippedS(seen[at]), ...delaysS(seen[at]) });
    // They came one after the other.
    const each = viewers * (lasted - (gapMs * viewers) / 2000);
    const own = on.front.counts.requests.filter(({ viewer }) => results.some(({ name }) => name === viewer));
    const asked = (pattern) => own.filter(({ path }) => pattern.test(path)).length / each;
    const asking = { playlists: asked(/\.m3u8$/), heads: asked(/\/heads$/), media: asked(/\.m4s$/) };
    return { results, asking, idle, media: sum(results.map((one) => one.originMedia)) };
}

/** The figures of one or more showings of the same kind. */
function figures(rounds) {
    const results = rounds.flatMap((one) => one.results);
    const appended = sum(results.map((one) => one.appendedBytes));
    const media = sum(rounds.map((one) => one.media));
    const asking = (what) => mean(rounds.map((one) => one.asking[what]));
    return {
        results,
        ...delaysS(results.flatMap((one) => one.seen)),
        pictures: sum(results.map((one) => one.seen.length)),
        idle: mean(rounds.map((one) => one.idle)),
        appended,
        media,
        offload: 1 - media / appended,
        copies: (media / appended) * rounds[0].results.length,
        startupMs: median(results.map((one) => one.startupMs)),
        stalledS: sum(results.map((one) => one.stalledS)),
        stalls: sum(results.map((one) => one.stalls)),
        skippedS: sum(results.map((one) => one.skippedS)),
        meanBps: mean(results.map((one) => one.meanBps)),
        playlists: asking("playlists"),
        heads: asking("heads"),
        requests: asking("playlists") + asking("heads") + asking("media"),
        mediaRequests: asking("media"),
    };
}

/** What each viewer saw on its screen, before what every scenario shows. */
const screenRows = (results) => {
    const rows = viewerRows(results);
    return results.map((one, at) => ({
        viewer: one.name,
        "delay p50 s": one.p50,
        "p95 s": one.p95,
        "skipped s": one.skippedS.toFixed(1),
        ...rows[at],
        parts: one.stats ? `${one.stats.partsFromPeers} of ${one.stats.parts}` : "-",
        "says stalled s": one.stats?.stalledSeconds?.toFixed(2) ?? "-",
    }));
};

function compare(report, plain, ours) {
    const row = (name, seen) => ({
        viewers: name,
        "delay p50 s": seen.p50,
        "p95 s": seen.p95,
        "pictures read": seen.pictures,
        "start-up ms": Math.round(seen.startupMs ?? -1),
        "offload %": 100 * seen.offload,
        copies: seen.copies,
        stalls: seen.stalls,
        "stalled s": seen.stalledS,
        "skipped s": seen.skippedS,
        "mean kbit/s": Math.round(seen.meanBps / 1000),
        "playlists/s": seen.playlists,
        "heads/s": seen.heads,
        "media/s": seen.mediaRequests,
        "idle CPU %": seen.idle,
    });
    report.rows("all viewers; requests are of one viewer in a second", [row("hls.js alone", plain), row("Braidcast", ours)]);
    report.rows("hls.js alone", screenRows(plain.results));
    report.rows("Braidcast", screenRows(ours.results));
}

/** What viewers were given that no signed head vouches for, and what was kept from them. */
function onlySigned(report, results) {
    const unsigned = results.map(({ stats }) => stats?.bytesUnchecked ?? null);
    const alone = results.filter(({ stats }) => stats?.state !== "p2p").map(({ name, stats }) => `${name}: ${stats?.state}, ${stats?.reason}`);
    const isClean = unsigned.every((bytes) => bytes === 0);
    report.holds("nothing unsigned was played", isClean, isClean ? "" : `bytes: ${unsigned.join(", ")}`);
    report.figure("refused, all viewers", sum(results.map(({ stats }) => stats?.bytesRefused ?? 0)) / 1e6, { unit: "MB" });
    report.holds("everybody shares at the end", alone.length === 0, alone.join("; "));
}

/** What holds on the slowest machine: everybody plays, what they play is signed, and they share it. */
function sharing(report, ours, { playedMin, onTheWayMax }) {
    const idle = ours.results.filter((one) => one.playedS < playedMin);
    report.holds("every viewer plays", idle.length === 0, idle.map((one) => `${one.name}: ${one.playedS.toFixed(1)} s`).join("; "));
    // What viewers say they got from the origin must be what left it, but for what is on its way when they are asked.
    const said = sum(ours.results.map((one) => one.stats?.bytesFromOrigin ?? 0));
    report.figure("origin's media that no viewer owns up to", (100 * (ours.media - said)) / ours.media, { unit: "%", max: onTheWayMax });
    onlySigned(report, ours.results);
}

/**
 * Viewers of one stream, without anybody to compare them with.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number }} how
 */
export async function together(report, { viewers, seconds, gapMs, ladder }) {
    const on = await broadcast({ ladder });
    try {
        await sleep(SETTLE_MS.low);
        const ours = figures([await watched(on, { mode: "braidcast", viewers, gapMs, seconds, attributes: { latency: "low", live: "" } })]);
        // A part of the best quality for each is a large share of so little.
        sharing(report, ours, { playedMin: 1, onTheWayMax: 15 });
        const stats = ours.results.map((one) => one.stats);
        report.figure("parts from other viewers", sum(stats.map((one) => one?.partsFromPeers ?? 0)), { digits: 0, min: 1 });
        report.figure("playlists that heads answered for", sum(stats.map((one) => one?.playlistsSpared ?? 0)), { digits: 0, min: 1 });
        report.figure("pictures read", ours.pictures, { digits: 0, min: viewers });
        report.rows("viewers", screenRows(ours.results));
    } finally {
        await on.close();
    }
}

/**
 * Hls.js alone, then Braidcast, of one stream, and the other way round in every second round.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, seconds: number, gapMs: number, latency: "low" | "normal", rounds?: number, bitsPerSecond?: number,
 *   p50Max?: number, p95Max?: number, offloadMin?: number, copiesMax?: number, open?: typeof broadcast }} how `open`: how the stage is made
 */
export async function live(report, how) {
    const { viewers, seconds, gapMs, latency, rounds = 1, ladder, bitsPerSecond, p50Max, p95Max, offloadMin, copiesMax, open = broadcast } = how;
    const on = await open({ ladder, bitsPerSecond });
    const all = { plain: [], braidcast: [] };
    try {
        await sleep(SETTLE_MS[latency]);
        for (let round = 0; round < rounds; round += 1) {
            for (const mode of round % 2 === 0 ? ["plain", "braidcast"] : ["braidcast", "plain"]) {
                const attributes = mode === "plain" ? { latency } : { latency, live: "" };
                all[mode].push(await watched(on, { mode, viewers, gapMs, seconds, attributes }));
            }
        }
    } finally {
        await on.close();
    }
    const [plain, ours] = [figures(all.plain), figures(all.braidcast)];
    report.figure("capture to screen, median", ours.p50, { unit: "s", max: p50Max });
    report.figure("capture to screen, 95 %", ours.p95, { unit: "s", max: p95Max });
    report.figure("the same with hls.js alone, median", plain.p50, { unit: "s" });
    report.figure("the same with hls.js alone, 95 %", plain.p95, { unit: "s" });
    report.figure("offload (share of what was watched that did not leave the origin)", ours.offload, { min: offloadMin });
    report.figure("origin's media, in copies of what one viewer watches", ours.copies, { max: copiesMax });
    report.figure("stalled, all viewers", ours.stalledS, { unit: "s", max: Number(plain.stalledS.toFixed(2)) });
    report.figure("skipped, all viewers", ours.skippedS, { unit: "s" });
    report.figure("the same with hls.js alone", plain.skippedS, { unit: "s" });
    report.figure("start-up, median", ours.startupMs, { unit: "ms", digits: 0 });
    report.figure("start-up with hls.js alone, median", plain.startupMs, { unit: "ms", digits: 0 });
    report.figure("mean rendition", ours.meanBps / 1000, { unit: "kbit/s", digits: 0, min: bitsPerSecond ? Math.ceil(plain.meanBps / 1000) : null });
    report.figure("mean rendition with hls.js alone", plain.meanBps / 1000, { unit: "kbit/s", digits: 0 });
    report.figure("requests to the origin, of those of hls.js alone", ours.requests / plain.requests);
    sharing(report, ours, { playedMin: seconds / 2, onTheWayMax: 5 });
    compare(report, plain, ours);
    return { plain, ours };
}

/**
 * With fewer whole ones listed, Shaka 5.2 looks for closed captions in the segment that is not whole yet, which has no address of its own, and
 * gives up with a TypeError (`getClosedCaptionProbeSegments_`).
 */
const SHAKA_LEAST_SEGMENTS = 4;

/** Whether every rendition lists so many whole segments. */
async function listed(on, segments) {
    const text = async (name) => (await fetch(on.at(`/s/${on.card.slug}/${name}`))).text();
    const media = (await text("master.m3u8")).split("\n").filter((line) => line && !line.startsWith("#"));
    const lists = await Promise.all(media.map(text));
    return lists.length > 0 && lists.every((list) => list.split("#EXTINF").length > segments);
}

/** Player, page, manifest. */
const PLAYERS = [
    ["hls.js 1.7", "plain", "master.m3u8"],
    ["Shaka 5, HLS", "shaka", "master.m3u8"],
    ["Shaka 5, DASH", "shaka", "manifest.mpd"],
    ["dash.js 5", "dash", "manifest.mpd"],
];

/**
 * Everybody's players at low latency, without an engine.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ seconds: number, delayMax: number, ladder?: string }} how `delayMax`: seconds from capture to screen, for half of all pictures
 */
export async function players(report, { seconds, delayMax, ladder }) {
    const on = await broadcast({ ladder });
    const all = [];
    try {
        await until(on.origin, () => listed(on, SHAKA_LEAST_SEGMENTS));
        for (const [name, page, manifest] of PLAYERS) {
            const query = new URLSearchParams({ src: on.at(`/s/${on.card.slug}/${manifest}`), latency: "low" });
            all.push(await viewer(on.chromium, { name, url: on.at(`/bench/${page}.html?${query}`), scripts: [DELAYS] }));
        }
        await sleep(seconds * 1000);
        for (const one of all) {
            const [probe, delays] = [await one.probe(), delaysS(await readings(one.page))];
            const isGood = probe.errors.length === 0 && probe.playedMs > (seconds - 8) * 1000;
            report.holds(`${one.name} plays`, isGood, `${(probe.playedMs / 1000).toFixed(1)} s, stalled ${(probe.stalledMs / 1000).toFixed(1)} s${probe.errors.length ? `, ${probe.errors}` : ""}`);
            report.figure(`${one.name}: capture to screen, median`, delays.p50, { unit: "s", max: delayMax });
        }
    } finally {
        for (const one of all) await one.close();
        await on.close();
    }
}

/** Viewers at the edge of a stream, and what happens to them: `event` is told of the stage and of them. */
async function mishap(report, { viewers, gapMs, ladder, env }, event) {
    const on = await broadcast({ ladder, env });
    try {
        await sleep(SETTLE_MS.low);
        const { results } = await watched(on, {
            mode: "braidcast",
            viewers,
            gapMs,
            attributes: { latency: "low", live: "" },
            during: (all) => event(on, all),
        });
        onlySigned(report, results);
        report.rows("those who stayed", screenRows(results));
        return results;
    } finally {
        await on.close();
    }
}

const stalledMs = async (all) => Promise.all(all.map(async (one) => (await one.probe()).stalledMs));

/**
 * Some viewers die at the same moment, without a word to anybody.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, die: number, gapMs: number, settleS: number, afterS: number, stallMax: number }} how `stallMax`: seconds that one
 *   who stays may stall: a part
 */
export async function crash(report, how) {
    const { die, settleS, afterS, stallMax } = how;
    return mishap(report, how, async (_, all) => {
        await sleep(settleS * 1000);
        // Every third: the first to come is one of them, whom all others have met.
        const dead = all.filter((_, at) => at % 3 === 0).slice(0, die);
        const alive = all.filter((one) => !dead.includes(one));
        const gave = sum(await Promise.all(dead.map(async (one) => (await one.stats())?.bytesToPeers ?? 0)));
        const before = await stalledMs(alive);
        const calls = await Promise.all(dead.map((one) => one.page.createCDPSession()));
        // The renderer of such a page dies at once, and answers nothing.
        for (const call of calls) call.send("Page.crash").catch(() => {});
        await sleep(afterS * 1000);
        const after = await stalledMs(alive);
        report.figure("sent to others by those who died", gave / 1e6, { unit: "MB", min: 0.01 });
        report.figure("stalled before, all who stay", sum(before) / 1000, { unit: "s" });
        const worst = Math.max(...after.map((ms, at) => ms - before[at])) / 1000;
        report.figure("stalled by the death of neighbours, worst of those who stay", worst, { unit: "s", max: stallMax });
        all.splice(0, all.length, ...alive);
    });
}

/** Waits for all to show a picture that was taken after `since`, and to play on: more than `leastS` of the next five seconds. */
async function playOn(report, all, since, afterS, leastS = 3) {
    await sleep(afterS * 1000);
    const played = async () => Promise.all(all.map(async (one) => (await one.probe()).playedMs / 1000));
    const then = await played();
    await sleep(5000);
    const now = await played();
    const took = await Promise.all(all.map(async (one) => recoveredS(await readings(one.page), since)));
    const shown = took.map((seconds) => seconds?.toFixed(1) ?? "never").join(", ");
    report.holds("all show what is taken after it", took.every((seconds) => seconds !== null), shown);
    report.figure("until they do, median", median(took), { unit: "s", digits: 1 });
    report.figure("the slowest of them", took.includes(null) ? null : Math.max(...took), { unit: "s", digits: 1 });
    const wanting = now.map((seconds, at) => seconds - then[at]);
    report.holds("all play on", wanting.every((seconds) => seconds > leastS), wanting.map((seconds) => seconds.toFixed(1)).join(", "));
}

/**
 * The encoder dies, and another connects a while later.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, gapMs: number, settleS: number, afterS: number, goneMs: number }} how
 */
export async function reconnect(report, how) {
    return mishap(report, how, async (on, all) => {
        await sleep(how.settleS * 1000);
        await on.interrupt(how.goneMs);
        await playOn(report, all, Date.now(), how.afterS);
    });
}

/**
 * The origin dies, and is started again on the same data and port; the encoder connects anew.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, gapMs: number, settleS: number, afterS: number, goneMs: number }} how
 */
export async function restart(report, how) {
    return mishap(report, how, async (on, all) => {
        await sleep(how.settleS * 1000);
        await on.restart(how.goneMs);
        await playOn(report, all, Date.now(), how.afterS);
    });
}

/** Until the origin has seen that its clock was set. */
const SEEN_MS = 3000;

/** What time it is by the origin: the MPD says when it was made. */
async function told(on) {
    const manifest = await (await fetch(`${on.origin.url}/s/${on.card.slug}/manifest.mpd`)).text();
    return new Date(/publishTime="([^"]+)"/.exec(manifest)?.[1]).getTime();
}

/**
 * The origin's clock leaps ahead and then back behind where it was. Those of camera and viewers do not.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, gapMs: number, settleS: number, afterS: number, leastS?: number, aheadS: number, behindS: number }} how
 * @returns {Promise<unknown>} null where no clock can be set
 */
export async function clock(report, how) {
    const own = falseClock();
    if (!own) return null;
    return mishap(report, { ...how, env: own.env }, async (on, all) => {
        for (const offS of [how.aheadS, -how.behindS]) {
            await sleep(how.settleS * 1000);
            const before = await stalledMs(all);
            own.set(offS);
            await sleep(SEEN_MS);
            const since = Date.now();
            const says = (await told(on)) - since;
            report.figure(`the origin's clock, by its own word (set ${offS} s off)`, says / 1000, { unit: "s", min: offS - 3, max: offS + 3 });
            await playOn(report, all, since, how.afterS, how.leastS);
            const worst = Math.max(...(await stalledMs(all)).map((ms, at) => ms - before[at])) / 1000;
            report.figure(`stalled by a clock that is ${offS} s off, worst viewer`, worst, { unit: "s" });
        }
    });
}
