// A live stream in real Chromium pages, with a real origin and real data channels.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { LiveOrigin, PART_S, SEGMENT_S } from "./lib/live.mjs";
import { startOrigin } from "./lib/server.mjs";
import { startTracker } from "./lib/tracker.mjs";
import { openPage, startChromium, until } from "./lib/chromium.mjs";

// Every byte that the player is given is hashed.
const PAGE = `<!doctype html><script src="/player/braidcast-player.js"></script>
<style>body{margin:0;background:#111}braidcast-player{width:960px}</style>
<script>
  const query = new URLSearchParams(location.search);
  const player = document.createElement("braidcast-player");
  for (const name of ["src", "live", "latency", "key", "autoplay", "muted", "controls"]) if (query.has(name)) player.setAttribute(name, query.get(name));
  window.events = [];
  for (const name of ["ready", "fallback", "error"]) player.addEventListener(name, (e) => events.push([name, name === "ready" ? null : e.detail]));
  window.given = [];
  window.player = player;
  if (query.has("forger")) {
    // Changes what it sends to others.
    const { send } = RTCDataChannel.prototype;
    RTCDataChannel.prototype.send = function (message) {
      if (message.byteLength > 3000) { message = new Uint8Array(message).slice(); message[message.length - 100] ^= 1; }
      return send.call(this, message);
    };
  }
  addEventListener("DOMContentLoaded", () => {
    document.body.append(player);
    const watch = setInterval(() => {
      if (!player.hls) return;
      clearInterval(watch);
      player.hls.on("hlsFragLoaded", async (_, { payload, frag, part }) => {
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", payload));
        given.push([frag.type + " " + frag.sn + " " + (part?.index ?? ""), [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")]);
      });
    }, 1);
  });
</script><body></body>`;

let browser;
let genuine;
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
before(async () => {
  const live = new LiveOrigin();
  genuine = new Set();
  for (const { init, parts } of live.renditions) {
    genuine.add(sha(init));
    const segments = parts.reduce((all, part) => all.set(part.segment, [...(all.get(part.segment) ?? []), part]), new Map());
    for (const [, of] of segments) genuine.add(sha(Buffer.concat(of.map(({ bytes }) => bytes))));
    for (const { bytes } of parts) genuine.add(sha(bytes));
  }
  live.close();
  browser = await startChromium();
});
after(() => browser?.close());

async function scene(options = {}) {
  const live = new LiveOrigin({ ageMs: 30_000 });
  const origin = await startOrigin({ live, pages: { "/page": PAGE }, ...options });
  const tracker = await startTracker({ server: origin.server });
  const open = (query = `live&key=${live.key}`) => openPage(browser, `${origin.url}/page?src=/live/master.m3u8&autoplay&muted&controls&${query}`);
  return { live, origin, open, close: () => { tracker.close(); origin.close(); live.close(); } };
}

const stats = (page) => page.evaluate(() => player.engine.stats());
const plays = (page, seconds, ms = 30_000) => until(page, (s) => player.engine?.stats().playedSeconds > s, ms, seconds);
async function onlyGenuine(page) {
  const given = await page.evaluate(() => window.given);
  assert.ok(given.length > 0);
  assert.deepEqual(given.filter(([, digest]) => !genuine.has(digest)), []);
}

test("a second viewer gets parts from the first, and both stay near the edge", async () => {
  const { origin, open, close } = await scene();
  try {
    const first = await open();
    await plays(first, 2);
    const second = await open();
    await until(second, () => player.engine?.stats().partsFromPeers > 5, 40_000);
    await plays(second, 12);
    const b = await stats(second);
    const a = await stats(first);
    const told = JSON.stringify({ a, b });
    assert.deepEqual([a.state, b.state, a.reason, b.reason], ["p2p", "p2p", null, null], told);
    assert.ok(b.bytesFromPeers > 100_000 && a.bytesToPeers > 100_000, told);
    assert.deepEqual([a.refused, b.refused], [0, 0], told);
    // What is added to a playlist is in the heads, and heads come from neighbours.
    const asked = (of) => origin.state.requests.filter(({ path }) => path.includes(of)).length;
    const spared = a.playlistsSpared + b.playlistsSpared;
    console.log(`${asked("media.m3u8")} playlists and ${asked("heads")} heads asked for, ${spared} playlists told by heads`);
    assert.ok(b.playlistsSpared > 20 && spared > asked("media.m3u8"), told);
    for (const page of [first, second]) {
      // The aim is three parts, and up to a segment more after interruptions. Who has fallen further behind comes back to it.
      assert.ok((await page.evaluate(() => player.hls.targetLatency)) < 3 * PART_S + SEGMENT_S + 0.1, told);
      await until(page, () => player.engine.stats().latencyS < player.hls.targetLatency + 2.5, 40_000);
      await onlyGenuine(page);
      assert.deepEqual(page.problems, []);
    }
    console.log(`second viewer: ${b.parts} parts, ${b.partsFromPeers} from peers, ${b.bytesFromPeers} bytes from peers, ${b.bytesFromOrigin} from the origin, ` +
      `${b.latencyS.toFixed(2)} s behind, ${b.stalls} stalls, started in ${Math.round(b.startupMs)} ms; unchecked ${b.bytesUnchecked}`);
  } finally {
    close();
  }
});

test("a neighbour's forged parts are refused, and the picture goes on", async () => {
  const { live, open, close } = await scene();
  try {
    const forger = await open(`live&key=${live.key}&forger`);
    await plays(forger, 2);
    const page = await open();
    await until(page, () => player.engine?.stats().refused > 0, 40_000);
    const { playedSeconds } = await stats(page);
    await plays(page, playedSeconds + 5);
    const seen = await stats(page);
    assert.equal(seen.bytesUnchecked, 0, JSON.stringify(seen));
    await onlyGenuine(page);
  } finally {
    close();
  }
});

test("an origin's forged parts are refused too", async () => {
  let forged = 0;
  const change = (path, body) => {
    if (!/part\/\d*5\.m4s/.test(path) || forged > 5) return body;
    forged += 1;
    const bad = Buffer.from(body);
    bad[1000] ^= 1;
    return bad;
  };
  const { open, close } = await scene({ change });
  try {
    const page = await open();
    await until(page, () => player.engine?.stats().refused > 0, 40_000);
    await plays(page, 8);
    await onlyGenuine(page);
  } finally {
    close();
  }
});

test("ten seconds behind, segments are made of parts that others have given", async () => {
  const { live, origin, open, close } = await scene();
  try {
    const query = `live&latency=normal&key=${live.key}`;
    const first = await open(query);
    await plays(first, 3);
    const second = await open(query);
    await until(second, () => player.engine?.stats().partsFromPeers > 10, 40_000);
    await plays(second, 6);
    const seen = await stats(second);
    assert.ok(seen.latencyS > 7 && seen.latencyS < 14, JSON.stringify(seen));
    // What they began with was asked for before any head had told of it, and was checked all the same.
    assert.deepEqual([(await stats(first)).bytesUnchecked, seen.bytesUnchecked], [0, 0], JSON.stringify(seen));
    console.log(`second viewer, ten seconds behind: ${seen.parts} parts, ${seen.partsFromPeers} from peers, ${seen.bytesFromPeers} bytes from peers, ` +
      `${seen.bytesFromOrigin} from the origin, ${seen.stalls} stalls, started in ${Math.round(seen.startupMs)} ms`);
    assert.ok(origin.state.requests.some(({ path }) => /part\//.test(path)));
    await onlyGenuine(second);
  } finally {
    close();
  }
});

test("when the origin was started again, its stream is another, and the viewer begins anew by itself", async () => {
  const before = new LiveOrigin({ ageMs: 30_000 });
  const after = new LiveOrigin({ ageMs: 20_000, before });
  let now = before;
  const origin = await startOrigin({ live: { answer: (...asked) => now.answer(...asked) }, pages: { "/page": PAGE } });
  const tracker = await startTracker({ server: origin.server });
  try {
    // Without `autoplay`: what was played by hand goes on playing.
    const page = await openPage(browser, `${origin.url}/page?src=/live/master.m3u8&muted&live&key=${before.key}`);
    // Who plays before there is anything is interrupted by what is loaded then.
    await until(page, () => player.video.src !== "");
    await page.evaluate(() => player.video.play());
    await plays(page, 2);
    await page.evaluate(() => { window.engine = player.engine; });
    now = after;
    await until(page, () => player.engine !== window.engine && player.engine?.stats().playedSeconds > 2, 40_000);
    const seen = await stats(page);
    assert.deepEqual([seen.state, seen.reason, seen.bytesUnchecked], ["p2p", null, 0], JSON.stringify(seen));
    await onlyGenuine(page);
  } finally {
    tracker.close();
    origin.close();
    before.close();
    after.close();
  }
});

test("a stream is recognised without being told of, by one question more", async () => {
  const { live, origin, open, close } = await scene();
  try {
    const page = await open(`key=${live.key}`);
    await plays(page, 2);
    assert.equal((await stats(page)).state, "p2p");
    const asked = origin.state.requests.map(({ path }) => path);
    assert.ok(asked.includes("/live/index.bci") && asked.includes("/live/live.bcs"));
    await onlyGenuine(page);
  } finally {
    close();
  }
});

for (const [what, query, change, reason] of [
  ["no description", "live", (path, body) => (path.endsWith("live.bcs") ? 404 : body), /no description.*404/],
  ["another publisher's key", "live&key=11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", undefined, /./],
  ["no module", "live", (path, body) => (path.endsWith("live.wasm") ? 500 : body), /500/],
  ["damaged heads", "live", (path, body) => (path.endsWith("/heads") ? Buffer.from(body).fill(7, 8, 20) : body), /no head/],
]) {
  test(`with ${what} the stream plays from the origin, and the page says why`, async () => {
    const { open, close } = await scene({ change });
    try {
      const page = await open(query);
      await plays(page, 2);
      await until(page, () => player.engine.stats().state === "origin-only");
      assert.match((await stats(page)).reason, reason);
    } finally {
      close();
    }
  });
}

test("heads that do not come end in the origin alone, also under a key", async () => {
  const { open, close } = await scene({ delayMs: (path) => (path.endsWith("/heads") ? 60_000 : 0) });
  try {
    const page = await open();
    await plays(page, 2);
    assert.match((await stats(page)).reason, /no signed head/);
  } finally {
    close();
  }
});

test("a viewer sees how far behind it is, goes back in time, and to the edge again", async () => {
  const { open, close } = await scene();
  try {
    const page = await open();
    await plays(page, 2);
    await until(page, () => /^−\d/.test(player.shadowRoot.querySelector(".live output")?.textContent));
    await until(page, () => player.shadowRoot.querySelector(".live button").textContent === "Live");
    await page.evaluate(() => { player.video.currentTime = player.video.seekable.end(0) - 20; });
    await until(page, () => player.shadowRoot.querySelector(".live").hasAttribute("data-away"));
    await plays(page, 4);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/live-behind.png` });
    await page.evaluate(() => player.shadowRoot.querySelector(".live button").click());
    await until(page, () => player.engine.stats().latencyS < 6 && !player.shadowRoot.querySelector(".live").hasAttribute("data-away"));
    const { playedSeconds } = await stats(page);
    await plays(page, playedSeconds + 2);
    await onlyGenuine(page);
  } finally {
    close();
  }
});
