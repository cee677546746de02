// Captions of a stream that is pulled, as viewers of the watch page and of other players see them.

import assert from "node:assert/strict";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { Broadcast, card, house, until } from "./lib/broadcast.mjs";
import { browser, viewer } from "./lib/browser.mjs";
import { launch } from "./lib/child.mjs";
import { pages } from "./lib/pages.mjs";
import { cache } from "./lib/paths.mjs";
import { proxy } from "./lib/proxy.mjs";
import { freePort } from "./lib/serve.mjs";

const SECONDS = 300;
const BOX = "x=380:y=20:w=80:h=80";
let on, source;

/** Somebody else's live stream: pictures with the second that they are of, with a box that is white in odd ones, and captions that say the same. */
async function elsewhere() {
    const folder = mkdtempSync(join(tmpdir(), "braidcast-captions-"));
    const clock = (at) => `${String(Math.floor(at / 3600)).padStart(2, "0")}:${String(Math.floor(at / 60) % 60).padStart(2, "0")}:${String(at % 60).padStart(2, "0")}`;
    const cues = Array.from({ length: SECONDS }, (_, at) => `${at + 1}\n${clock(at)},000 --> ${clock(at)},950\nsecond ${at}\n`);
    writeFileSync(join(folder, "subs.srt"), cues.join("\n"));
    const child = launch("ffmpeg", [
        "-v", "error", "-nostdin",
        "-re", "-f", "lavfi", "-i", "testsrc2=size=480x270:rate=20",
        "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-i", "subs.srt",
        "-vf", [
            "drawtext=text='%{eif\\:t\\:d}':x=20:y=20:fontsize=64:fontcolor=white:box=1:boxcolor=black",
            `drawbox=${BOX}:color=black:t=fill`,
            `drawbox=${BOX}:color=white:t=fill:enable='eq(mod(floor(t),2),1)'`,
        ].join(),
        "-map", "0:v", "-map", "1:a", "-map", "2:s", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "40", "-pix_fmt", "yuv420p",
        "-b:v", "400k", "-c:a", "aac", "-b:a", "64k", "-c:s", "webvtt", "-t", String(SECONDS),
        "-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", "2", "-hls_list_size", "8", "-hls_flags", "temp_file", "-master_pl_name", "master.m3u8",
        "-var_stream_map", "v:0,a:0,s:0,sgroup:subs,language:fi,name:x", "%v.m3u8",
    ], { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
    const server = createServer((request, response) => {
        const file = createReadStream(join(folder, basename(new URL(request.url, "http://h").pathname)));
        file.on("error", () => response.writeHead(404).end());
        file.pipe(response);
    });
    const port = await freePort();
    await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
    return {
        url: `http://127.0.0.1:${port}/master.m3u8`,
        async close() {
            await child.end("SIGKILL");
            server.close();
            server.closeAllConnections();
            rmSync(folder, { recursive: true, force: true });
        },
    };
}

/** Shaka 5.2 looks for captions within the pictures in one of the last segments, and fails to load where that has parts only. */
async function grown(origin, name) {
    const list = `${origin.url}/s/${name}/v0/media.m3u8`;
    await until(origin, async () => ((await (await fetch(list)).text()).match(/#EXTINF/g) ?? []).length >= 6);
}

before(async () => {
    source = await elsewhere();
    await until({ log: () => "" }, async () => (await (await fetch(source.url)).text()).includes("SUBTITLES"));
    const origin = await house({ args: ["--pull", `pulled=${source.url}`, "--pull-private"] });
    const parts = { origin };
    parts.card = await card(origin);
    await grown(origin, "pulled");
    parts.front = await proxy({ upstream: () => new URL(origin.url), pages });
    parts.chromium = await browser();
    on = new Broadcast(parts);
});
after(async () => {
    await on?.close();
    await source?.close();
});

/**
 * What is shown now, and where in the stream that is; and all that has begun to be shown, by when its time is, which a page that is slow to look
 * misses nothing of. Run in the page.
 */
const SHOWN = `window.said = new Map();
const add = TextTrack.prototype.addCue;
TextTrack.prototype.addCue = function (cue) {
    cue.addEventListener("enter", () => this.mode === "showing" && said.set(cue.startTime, cue.text));
    return add.call(this, cue);
};
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
window.shown = () => {
    const video = document.querySelector("video") ?? document.querySelector("braidcast-player").video;
    const tracks = [...video.textTracks].filter(({ mode }) => mode === "showing");
    const cues = tracks.flatMap(({ activeCues }) => [...(activeCues ?? [])]);
    canvas.drawImage(video, 400, 40, 40, 40, 0, 0, 1, 1);
    const odd = canvas.getImageData(0, 0, 1, 1).data[0] > 128;
    const [texts, languages] = [cues.map(({ text }) => text), tracks.map(({ language }) => language)];
    return { at: video.currentTime, ms: performance.now(), leaps: probe.seeks, odd, texts, languages };
};`;

/**
 * Watches until some whole seconds have been played through, and finds each one's caption. What a player leaps over, as one does on a busy machine, it has
 * no captions of: each stretch between two leaps is for itself.
 */
async function captions(one, seconds) {
    await one.until(() => window.shown().texts.length > 0, "showing a caption", 60_000);
    const { seen, stretches } = await one.page.evaluate(async (seconds) => {
        const [seen, stretches] = [[], []];
        const [whole, late] = [({ from, to }) => Math.max(0, Math.floor(to - from - 1)), performance.now() + 90_000];
        do {
            const [last, now] = [seen.at(-1), window.shown()];
            const goesOn = last && now.leaps === last.leaps && now.at >= last.at && now.at - last.at < ((now.ms - last.ms) / 1000) * 1.2 + 0.2;
            if (!goesOn) stretches.push({ from: now.at });
            stretches.at(-1).to = now.at;
            seen.push(now);
            await new Promise((resolve) => setTimeout(resolve, 100));
        } while (stretches.reduce((sum, stretch) => sum + whole(stretch), 0) < seconds && performance.now() < late);
        const within = ({ from, to }) => [...window.said].filter(([at]) => at >= from && at <= to - 1).sort(([a], [b]) => a - b);
        return { seen, stretches: stretches.map((one) => ({ ...one, whole: whole(one), texts: within(one).map(([, text]) => text) })) };
    }, seconds);
    const played = stretches.map(({ from, to }) => `${from.toFixed(2)} to ${to.toFixed(2)}`);
    assert.ok(stretches.reduce((sum, { whole }) => sum + whole, 0) >= seconds, `it plays: ${played.join(", ")}`);
    const texts = seen.map(({ texts }) => texts);
    assert.ok(texts.every((now) => now.length <= 1), `one caption at a time: ${JSON.stringify(texts)}`);
    const samples = () => seen.map(({ at, texts }) => `${at.toFixed(2)} ${texts}`).join("; ");
    for (const { from, to, whole, texts } of stretches) {
        const said = texts.map((text) => Number(/^second (\d+)$/.exec(text)?.[1]));
        const what = () => `${from} to ${to}: ${said}: ${samples()}`;
        assert.ok(said.length >= whole, `a caption each second, ${what()}`);
        assert.ok(said.every((second, at) => second === said[0] + at), `none is left out, ${what()}`);
    }
    // A picture and its caption may change a moment apart.
    const shown = seen.filter(({ texts }) => texts.length > 0);
    const right = shown.filter(({ odd, texts: [text] }) => odd === (Number(text.split(" ")[1]) % 2 === 1));
    assert.ok(right.length > shown.length * 0.75, `with their pictures: ${right.length} of ${shown.length}`);
    return seen;
}

test("the watch page shows the captions of a stream that is pulled", { timeout: 180_000 }, async () => {
    const one = await viewer(on.chromium, { name: "w", url: on.at("/watch/pulled"), size: { width: 1280, height: 800 }, scripts: [SHOWN] });
    const seen = await captions(one, 8);
    assert.deepEqual(seen.at(-1).languages, ["fi"]);
    await one.page.screenshot({ path: join(cache("shots"), "captions.png") });
    assert.deepEqual((await one.probe()).errors, []);
    assert.equal((await one.stats()).state === "origin-only", false, "it shares");
    await one.close();
});

test("captions that somebody alters on their way are not shown, and the stream plays on", { timeout: 180_000 }, async () => {
    let isForged = false;
    const forge = (body) => Buffer.from(String(body).replaceAll("second", "forged"));
    const change = (path) => (isForged && /\/t0\/\d+\.vtt$/.test(path) ? forge : null);
    const front = await proxy({ upstream: () => new URL(on.origin.url), pages, change });
    try {
        const one = await viewer(on.chromium, { name: "f", url: `${front.url}/watch/pulled`, scripts: [SHOWN] });
        await captions(one, 4);
        assert.equal((await one.stats()).refused, 0, "genuine ones are the publisher's");
        isForged = true;
        await one.until(() => window.braidcast.stats().refused >= 2, "refusing captions", 60_000);
        const begun = (await one.probe()).playedMs;
        // What came before goes on for a while; then pictures go on in silence, and do not stall.
        await one.until(() => {
            const { at, texts } = window.shown();
            if (texts.length > 0 || window.stalls !== probe.stalls) [window.quietFrom, window.stalls] = [at, probe.stalls];
            return at - window.quietFrom > 3;
        }, "silent", 60_000);
        const words = await one.page.evaluate(() => {
            const { textTracks } = document.querySelector("braidcast-player").video;
            return [...textTracks].flatMap(({ cues }) => [...(cues ?? [])]).map(({ text }) => text);
        });
        assert.ok(words.length > 0 && words.every((text) => text.startsWith("second ")), JSON.stringify(words));
        const probe = await one.probe();
        assert.ok(probe.playedMs - begun > 3000, JSON.stringify(probe));
        assert.deepEqual(probe.errors, []);
        assert.equal((await one.stats()).state === "origin-only", false, "it shares");
        isForged = false;
        await captions(one, 4);
        await one.close();
    } finally {
        await front.close();
    }
});

for (const [name, page, manifest, latency] of [
    ["Shaka over HLS", "shaka", "master.m3u8", ""],
    ["Shaka over HLS at low latency", "shaka", "master.m3u8", "low"],
    ["Shaka over DASH", "shaka", "manifest.mpd", ""],
    ["dash.js", "dash", "manifest.mpd", ""],
]) {
    test(`${name} shows them`, { timeout: 180_000 }, async () => {
        const query = new URLSearchParams({ src: on.at(`/s/pulled/${manifest}`), text: "fi", latency });
        const one = await viewer(on.chromium, { name: page, url: on.at(`/bench/${page}.html?${query}`), scripts: [SHOWN] });
        await captions(one, 6);
        assert.deepEqual((await one.probe()).errors, []);
        await one.close();
    });
}

test("another origin takes them from the MPD", { timeout: 180_000 }, async () => {
    const origin = await house({ args: ["--pull", `again=${on.origin.url}/s/pulled/manifest.mpd`, "--pull-private"] });
    const front = await proxy({ upstream: () => new URL(origin.url), pages });
    try {
        await grown(origin, "again");
        for (const manifest of ["master.m3u8", "manifest.mpd"]) {
            const query = new URLSearchParams({ src: `${front.url}/s/again/${manifest}`, text: "fi" });
            const one = await viewer(on.chromium, { name: "again", url: `${front.url}/bench/shaka.html?${query}`, scripts: [SHOWN] });
            await captions(one, 6);
            assert.deepEqual((await one.probe()).errors, []);
            await one.close();
        }
    } finally {
        await front.close();
        await origin.stop();
    }
});
