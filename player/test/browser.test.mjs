// Real Chromium pages, a real origin, real data channels.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { makeFilm, renditionBytes } from "./lib/film.mjs";
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

test("two viewers exchange segments, and what they play is the film", async () => {
  const { origin, open, close } = await scene();
  try {
    const first = await open();
    await until(first, () => player.engine?.stats().playedSeconds > 2);
    const second = await open();
    await until(second, () => player.engine?.stats().bytesFromPeers > 200_000, 30_000);
    const [a, b] = [await stats(first), await stats(second)];
    assert.equal(a.state, "p2p");
    assert.ok(a.bytesToPeers >= b.bytesFromPeers, `${a.bytesToPeers} sent, ${b.bytesFromPeers} received`);
    assert.equal(b.refused, 0);
    assert.equal(b.peersConnected, 1);
    assert.deepEqual([first.problems, second.problems], [[], []]);
    await until(second, () => player.engine.stats().playedSeconds > 8, 30_000);
    assert.equal((await stats(second)).stalls, 0);
    const video = renditionBytes(folder, "v1");
    console.log(JSON.stringify({ sent: origin.state.segmentBytes, film: video, a: await stats(first), b: await stats(second) }, null, 1));
  } finally {
    close();
  }
});
