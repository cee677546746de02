// Real Chromium pages, a real origin, real data channels.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { makeFilm, signIndex, signText, swarmOf } from "./lib/film.mjs";
import { startOrigin } from "./lib/server.mjs";
import { startTracker } from "./lib/tracker.mjs";
import { openPage, startChromium, until } from "./lib/chromium.mjs";

const PAGE = `<!doctype html><script src="/player/braidcast-player.js"></script>
<script>
  const query = new URLSearchParams(location.search);
  const player = document.createElement("braidcast-player");
  for (const name of ["src", "tracker", "p2p", "key", "autoplay", "muted"]) if (query.has(name)) player.setAttribute(name, query.get(name));
  window.events = [];
  for (const name of ["ready", "fallback", "error", "peer"]) player.addEventListener(name, (e) => events.push([name, name === "ready" ? null : e.detail]));
  window.player = player;
  addEventListener("DOMContentLoaded", () => document.body.append(player));
</script><body></body>`;

let browser;
let folder;
before(async () => {
  folder = makeFilm();
  browser = await startChromium();
});
after(() => browser?.close());

async function scene(options = {}) {
  const origin = await startOrigin({ folder, pages: { "/page": PAGE }, ...options.origin });
  const tracker = await startTracker({ server: origin.server, ...options.tracker });
  const open = (query = "") => openPage(browser, `${origin.url}/page?src=/film/master.m3u8&autoplay&muted&${query}`);
  return { origin, tracker, open, close: () => { tracker.close(); origin.close(); } };
}

const stats = (page) => page.evaluate(() => player.engine.stats());
const events = (page, name) => page.evaluate((name) => window.events.filter(([n]) => n === name).map(([, detail]) => detail), name);
const plays = (page, seconds, ms) => until(page, (s) => player.engine?.stats().playedSeconds > s, ms, seconds);
const OTHER_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

test("two viewers exchange segments, and nobody stalls", async () => {
  const { open, close } = await scene();
  try {
    const first = await open();
    await plays(first, 2);
    const second = await open();
    await until(second, () => player.engine?.stats().bytesFromPeers > 200_000);
    await plays(second, 8);
    // The receiver is read first: what comes between the two readings was sent, too.
    const b = await stats(second);
    const a = await stats(first);
    const told = JSON.stringify({ a, b });
    assert.equal(b.state, "p2p", told);
    assert.equal(b.reason, null);
    assert.ok(a.bytesToPeers >= b.bytesFromPeers, told);
    // Whoever of the two is elected for a segment fetches it for both: little comes from the origin twice.
    assert.ok(b.bytesFromPeers > b.bytesFromOrigin, told);
    assert.ok(a.bytesFromOrigin + b.bytesFromOrigin < 1.2 * Math.max(a.bytesHeld, b.bytesHeld), told);
    assert.deepEqual([a.refused, b.refused, a.stalls, b.stalls], [0, 0, 0, 0], told);
    assert.deepEqual([a.peersConnected, b.peersConnected, b.audience], [1, 1, 2], told);
    assert.deepEqual([first.problems, second.problems], [[], []]);
    assert.equal((await events(second, "ready")).length, 1);
    assert.ok((await events(second, "peer")).some(({ connected }) => connected));
    // Whoever leaves is missed at once, and by nobody for long.
    await first.close();
    await until(second, () => player.engine.stats().peersConnected === 0);
    await plays(second, 14);
    assert.equal((await stats(second)).stalls, 0);
  } finally {
    close();
  }
});

test("viewers whom the tracker tells to upload nothing do not, though they would", async () => {
  const { open, close } = await scene({ tracker: { more: { upload: false } } });
  try {
    const first = await open();
    await plays(first, 2);
    const second = await open();
    await until(second, () => player.engine?.stats().peersConnected === 1);
    await plays(second, 8);
    const [a, b] = [await stats(first), await stats(second)];
    const told = JSON.stringify({ a, b });
    assert.deepEqual([a.bytesToPeers, b.bytesToPeers, a.bytesFromPeers, b.bytesFromPeers], [0, 0, 0, 0], told);
    assert.deepEqual([a.sharing, b.sharing, a.stalls, b.stalls], [false, false, 0, 0], told);
    assert.equal(await first.evaluate(() => player.engine.sharing), true);
  } finally {
    close();
  }
});

test("a tracker without our additions brings viewers together too", async () => {
  const { open, close } = await scene({ tracker: { named: false } });
  try {
    const first = await open();
    await plays(first, 2);
    const second = await open();
    await until(second, () => player.engine?.stats().bytesFromPeers > 200_000);
  } finally {
    close();
  }
});

test("without sharing nothing leaves, and what was on its way stops within a second", async () => {
  const { open, close } = await scene();
  try {
    const first = await open();
    await plays(first, 1);
    await first.evaluate(() => { player.uploadKbps = 800; });
    const second = await open();
    await until(second, () => player.engine?.stats().bytesFromPeers > 100_000);
    await first.evaluate(() => { player.sharing = false; });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const [then] = [await stats(first), await plays(second, 8)];
    const now = await stats(first);
    assert.equal(now.bytesToPeers, then.bytesToPeers);
    assert.equal(now.sharing, false);
    assert.equal((await stats(second)).stalls, 0);
    // Remembered by the site.
    assert.equal(await first.evaluate(() => localStorage.getItem("braidcast.sharing")), "off");
  } finally {
    close();
  }
});

for (const [what, query, change, reason] of [
  ["another key", `key=${OTHER_KEY}`, undefined, /not signed/],
  ["no key at all", "key=nonsense", undefined, /43 characters/],
  ["a missing index", "", (path, body) => (path.endsWith("index.bci") ? 404 : body), /no index.*404/],
  ["a damaged index", "", (path, body) => (path.endsWith("index.bci") ? body.subarray(0, 999) : body), /not a Braidcast index/],
  ["a missing core", "", (path, body) => (path.endsWith(".wasm") ? 500 : body), /500/],
]) {
  test(`with ${what} the film plays from the origin, and the page says why`, async () => {
    const { tracker, open, close } = await scene({ origin: { change } });
    try {
      const page = await open(query);
      await plays(page, 3);
      const seen = await stats(page);
      assert.equal(seen.state, "origin-only");
      assert.match(seen.reason, reason);
      assert.match((await events(page, "fallback"))[0].reason, reason);
      assert.equal(seen.stalls, 0);
      assert.equal(tracker.log.length, 0);
      assert.deepEqual(page.problems, []);
    } finally {
      close();
    }
  });
}

test("switched off, nothing is loaded or said beyond the film", async () => {
  const { origin, tracker, open, close } = await scene();
  try {
    const page = await open("p2p=off");
    await plays(page, 3);
    assert.equal((await stats(page)).reason, "switched off");
    assert.deepEqual(origin.state.requests.filter(({ path }) => /index|wasm/.test(path)), []);
    assert.equal(tracker.log.length, 0);
  } finally {
    close();
  }
});

test("a tracker that is away costs nothing", async () => {
  const { open, close } = await scene();
  try {
    const page = await open("tracker=ws://127.0.0.1:9/tracker");
    await plays(page, 6);
    const seen = await stats(page);
    assert.deepEqual([seen.state, seen.trackerConnected, seen.stalls], ["p2p", false, 0]);
  } finally {
    close();
  }
});

test("what a damaged cache sends is refused, and fetched anew past the cache", async () => {
  let damaged = 0;
  const change = (path, body) => {
    if (!/v\d\/5\.m4s/.test(path) || damaged > 0) return body;
    damaged += 1;
    const bad = Buffer.from(body);
    bad[40_000] ^= 1;
    return bad;
  };
  const { origin, open, close } = await scene({ origin: { change } });
  try {
    const page = await open();
    await plays(page, 18, 40_000);
    const seen = await stats(page);
    assert.equal(damaged, 1);
    assert.ok(seen.refused >= 1 && seen.bytesRefused > 0);
    assert.equal(seen.stalls, 0);
    const [, again] = origin.state.requests.filter(({ path }) => /v\d\/5\.m4s/.test(path));
    assert.match(again.cacheControl, /no-cache/);
  } finally {
    close();
  }
});

test("an origin that lies for good never gets its bytes to the player", async () => {
  const change = (path, body) => {
    if (!/v\d\/[4-9]\.m4s/.test(path)) return body;
    const bad = Buffer.from(body);
    bad[1000] ^= 1;
    return bad;
  };
  const { open, close } = await scene({ origin: { change } });
  try {
    const page = await open();
    await plays(page, 10);
    await until(page, () => window.events.some(([name, detail]) => name === "error" && /signed/.test(detail.message)));
    // Three segments of four seconds are good: the picture stops there, it does not show what is false.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    const seen = await stats(page);
    assert.ok(seen.playedSeconds < 12.5, `${seen.playedSeconds}`);
    assert.ok(seen.refused > 0);
  } finally {
    close();
  }
});

test("an origin that breaks off and comes back is found again", async () => {
  let broken = false;
  const { open, close } = await scene({ origin: { change: (path, body) => (broken && path.endsWith(".m4s") ? null : body) } });
  try {
    const page = await open();
    await plays(page, 2);
    broken = true;
    await page.evaluate(() => { player.video.currentTime = 52; });
    await new Promise((resolve) => setTimeout(resolve, 5000));
    broken = false;
    await until(page, () => player.video.currentTime > 54, 30_000);
  } finally {
    close();
  }
});

test("under a key, a playlist cannot lead to media that the publisher did not sign", async () => {
  const pair = generateKeyPairSync("ed25519");
  const change = (path, body) => {
    if (path.endsWith("index.bci")) return signIndex(body, pair);
    // From the fourth segment on, somebody else's.
    return path.endsWith("media.m3u8") ? Buffer.from(String(body).replaceAll(/^([4-9]|1\d)\.m4s/gm, "other/$1.m4s")) : body;
  };
  const { origin, open, close } = await scene({ origin: { change } });
  try {
    const page = await open(`key=${pair.publicKey.export({ format: "jwk" }).x}`);
    await plays(page, 10);
    await until(page, () => window.events.some(([name]) => name === "error"));
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const seen = await stats(page);
    assert.equal(seen.state, "p2p");
    assert.ok(seen.playedSeconds < 12.5, `${seen.playedSeconds}`);
    assert.deepEqual(origin.state.requests.filter(({ path }) => path.includes("other/")), []);
  } finally {
    close();
  }
});

const SAID = "WEBVTT\n\n00:00.000 --> 01:00.000\nGood evening\n\n";
for (const [what, make, uri, isShown] of [
  ["as they were signed", (sign) => sign(SAID, "t0/subs.vtt"), "subs.vtt", true],
  ["with other words", (sign) => sign(SAID, "t0/subs.vtt").replace("Good", "Bad"), "subs.vtt", false],
  ["without a signature", () => SAID, "subs.vtt", false],
  ["of another track", (sign) => sign(SAID, "t1/subs.vtt"), "subs.vtt", false],
  ["of another film", (sign) => sign(SAID, "t0/subs.vtt", Buffer.alloc(20)), "subs.vtt", false],
  ["from another place", (sign) => sign(SAID, "t0/subs.vtt"), "/elsewhere/t0/subs.vtt", false],
]) {
  test(`under a key, subtitles ${what} ${isShown ? "are shown" : "are not shown, and the film plays on"}`, async () => {
    const pair = generateKeyPairSync("ed25519");
    const swarm = swarmOf(readFileSync(join(folder, "index.bci")));
    const subs = make((text, name, of = swarm) => signText(text, { swarm: of, name }, pair));
    const group = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="t0/media.m3u8"';
    const change = (path, body) => {
      if (path.endsWith("index.bci")) return signIndex(body, pair);
      if (!path.endsWith("master.m3u8")) return body;
      return Buffer.from(String(body).replace("#EXT-X-STREAM-INF:", `${group}\n$&`).replaceAll('AUDIO="a"\n', 'AUDIO="a",SUBTITLES="s"\n'));
    };
    const pages = {
      "/page": PAGE,
      "/film/t0/media.m3u8": `#EXTM3U\n#EXT-X-TARGETDURATION:64\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:64,\n${uri}\n#EXT-X-ENDLIST\n`,
      "/film/t0/subs.vtt": subs,
      "/elsewhere/t0/subs.vtt": subs,
    };
    const { origin, open, close } = await scene({ origin: { pages, change } });
    try {
      const page = await open(`key=${pair.publicKey.export({ format: "jwk" }).x}`);
      const words = () => page.evaluate(() => [...player.video.textTracks].flatMap(({ cues }) => [...(cues ?? [])]).map(({ text }) => text));
      const asked = () => origin.state.requests.filter(({ path }) => path.endsWith("subs.vtt"));
      await plays(page, 6);
      await until(page, () => player.engine.stats().state === "p2p");
      const seen = await stats(page);
      assert.deepEqual(await words(), isShown ? ["Good evening"] : []);
      assert.deepEqual([seen.refused, asked().length], isShown ? [0, 1] : [2, 2], JSON.stringify(asked()));
      assert.equal(seen.bytesRefused, isShown ? 0 : subs.length * 2);
      const errors = (await events(page, "error")).map(({ message }) => message);
      assert.deepEqual(errors.map((message) => /subs.vtt is not what the publisher signed$/.test(message)), isShown ? [] : [true]);
      if (!isShown) assert.match(asked()[1].cacheControl, /no-cache/);
      await plays(page, 9);
      assert.deepEqual([(await stats(page)).stalls, page.problems], [0, []]);
    } finally {
      close();
    }
  });
}

test("when the core traps, the film goes on from the origin, and the page says why", async () => {
  const trap = `<script>
    const instantiate = WebAssembly.instantiate;
    WebAssembly.instantiate = async (...args) => {
      const { exports } = await instantiate(...args);
      const braidcast_want = (...args) => {
        if (window.trapped) throw new WebAssembly.RuntimeError("unreachable");
        return exports.braidcast_want(...args);
      };
      return { exports: { ...exports, braidcast_want } };
    };
  </script>`;
  const { origin, open, close } = await scene({ origin: { pages: { "/page": trap + PAGE } } });
  try {
    const page = await open();
    await until(page, () => player.engine?.stats().state === "p2p");
    await plays(page, 2);
    const before = origin.state.requests.length;
    await page.evaluate(() => { window.trapped = true; player.video.currentTime = 50; });
    await until(page, () => player.video.currentTime > 55, 30_000);
    const seen = await stats(page);
    assert.equal(seen.state, "origin-only");
    assert.match(seen.reason, /engine failed: unreachable/);
    assert.match((await events(page, "fallback"))[0].reason, /unreachable/);
    assert.ok(origin.state.requests.length > before);
    assert.deepEqual(page.problems, []);
  } finally {
    close();
  }
});

test("an index that does not come holds nothing up", async () => {
  const { open, close } = await scene({ origin: { delayMs: (path) => (path.endsWith("index.bci") ? 60_000 : 0) } });
  try {
    const page = await open();
    await plays(page, 2);
    const seen = await stats(page);
    assert.equal(seen.state, "starting");
    assert.ok(seen.startupMs < 3000, `${seen.startupMs}`);
    assert.equal(seen.stalls, 0);
  } finally {
    close();
  }
});

test("the start is as quick as that of hls.js alone", async () => {
  const plain = `<!doctype html><video muted autoplay playsinline></video><script type="module">
    const begun = performance.now();
    const { default: Hls } = await import("/player/hls.js");
    const hls = new Hls();
    hls.loadSource("/film/master.m3u8");
    hls.attachMedia(document.querySelector("video"));
    document.querySelector("video").addEventListener("playing", () => { window.startup ??= performance.now() - begun; });
  </script>`;
  // Every answer takes a while, so that one round trip more would be seen; index and core take longer still.
  const delayMs = (path) => (/index\.bci|\.wasm/.test(path) ? 700 : 150);
  const origin = await startOrigin({ folder, pages: { "/page": PAGE, "/plain": plain }, delayMs });
  try {
    const times = { plain: [], ours: [] };
    for (let round = 0; round < 4; round++) {
      const a = await openPage(browser, `${origin.url}/plain`);
      times.plain.push(await until(a, () => window.startup));
      await a.close();
      const b = await openPage(browser, `${origin.url}/page?src=/film/master.m3u8&autoplay&muted&tracker=ws://127.0.0.1:9/`);
      times.ours.push(await until(b, () => player.engine?.stats().startupMs));
      await b.close();
    }
    const best = (list) => Math.min(...list);
    console.log(`start-up: hls.js alone ${times.plain.map(Math.round)} ms, with Braidcast ${times.ours.map(Math.round)} ms`);
    assert.ok(best(times.ours) < best(times.plain) + 150, "one round trip slower than hls.js alone");
  } finally {
    origin.close();
  }
});
