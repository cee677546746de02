// Live streams without a browser: parts and segments, heads, and the core that checks them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { load } from "./lib/bundle.mjs";
import { LiveOrigin } from "./lib/live.mjs";
import { DIST } from "./lib/server.mjs";

const { Follower, Heads, Times, learnParts, stateIn } = await load("live/index.ts");
const { Parts } = await load("live/parts.ts");
const { Wishes } = await load("wishes.ts");
const { Core } = await load("core.ts");
const { OriginRate } = await load("rate.ts");
const { loaderFor } = await load("hlsjs.ts");
const { segmentKey } = await load("ops.ts");
const { behindText } = await load("live/bar.ts");

const until = async (check) => {
  for (let i = 0; i < 2000; i++) {
    const value = check();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`waited in vain for ${check}`);
};

const stream = new LiveOrigin({ ageMs: 4000 });
after(() => stream.close());
const query = (epoch, number) => new URLSearchParams({ epoch, after: number });

// ---- Parts and segments --------------------------------------------------------------------------------------------

const segment = (sn, duration, rest = {}) => ({ sn, url: `http://o/v0/${sn}.m4s`, duration, tagList: [["INF", `${duration}`]], ...rest });
const part = (sn, index, duration = 0.4) => ({ fragment: { sn }, index, duration, url: `http://o/v0/part/${sn}${index}.m4s` });
const learned = (details) => {
  const said = [];
  learnParts(details, ({ url, parts }) => said.push([url.slice(12), parts.map((url) => url.slice(17))]));
  return said;
};

test("a playlist teaches the parts of segments that are complete, and of those only", () => {
  const fragments = [7, 8, 9].map((sn) => segment(sn, 0.8));
  const partList = [part(8, 0), part(8, 1), part(9, 0), part(9, 1), part(10, 0)];
  assert.deepEqual(learned({ fragments, partList }), [["7.m4s", []], ["8.m4s", ["80.m4s", "81.m4s"]], ["9.m4s", ["90.m4s", "91.m4s"]]]);
  assert.deepEqual(learned({ fragments, partList: null }), [["7.m4s", []], ["8.m4s", []], ["9.m4s", []]]);
  // Its first part has left the list; a part is missing at its end.
  assert.deepEqual(learned({ fragments, partList: [part(8, 1), part(9, 0)] }), [["7.m4s", []], ["8.m4s", []], ["9.m4s", []]]);
});

test("a segment is as long as its playlist says, though the player has loaded a part of it only", () => {
  const fragments = [segment(8, 0.8, { duration: 0.4, programDateTime: 1000 })];
  const said = [];
  for (const partList of [[part(8, 0), part(8, 1)], null]) learnParts({ fragments, partList }, (it) => said.push([it.parts.length, it.lastsMs]));
  assert.deepEqual(said, [[2, 800], [0, 800]]);
});

test("the parts of a segment that is listed without them are found by their times in the heads", async () => {
  const times = new Times();
  for (const [r, { parts }] of stream.renditions.entries()) {
    for (const { sequence, startMs, endMs, cut } of stream.born({ parts })) times.tell(segmentKey(r, sequence), startMs, endMs - startMs, cut);
  }
  for (const [r, { parts }] of stream.renditions.entries()) {
    const of = parts.filter(({ segment }) => segment === 1);
    const [startMs, endMs] = [of[0].startMs, of.at(-1).endMs];
    assert.deepEqual(times.between(r, startMs, endMs), of.map(({ sequence }) => sequence));
    assert.deepEqual(times.between(r, startMs + 5, endMs - 5), of.map(({ sequence }) => sequence));
    assert.equal(times.between(r, startMs + 200, endMs), null, "not all of the time is filled");
    assert.equal(times.between(r, startMs, endMs + 3_600_000), null);
    assert.equal(times.between(r, NaN, NaN), null);
  }
  // What comes twice is heard once.
  let heard = 0;
  times.listen(0, () => (heard += 1));
  times.tell(segmentKey(0, 1), 0, 400, 0);
  times.tell(segmentKey(1, 9999), 0, 400, 0);
  assert.equal(heard, 0);
  times.tell(segmentKey(0, times.last(0) + 1), 0, 400, 0);
  assert.equal(heard, 1);
});

test("only so much of that is remembered", () => {
  const parts = new Parts();
  for (let sequence = 1; sequence <= 1000; sequence++) parts.learn("v0", sequence, [sequence * 2, sequence * 2 + 1]);
  assert.equal(parts.of("v0", 1), null);
  assert.deepEqual(parts.of("v0", 1000), [2000, 2001]);
  assert.equal(parts.of("v1", 1000), null);
});

test("the player's position is told on the timeline of the stream", () => {
  const fragments = [{ start: 100, programDateTime: 1_000_050_000 }, { start: 102, programDateTime: 1_000_053_000 }];
  const hls = { liveSyncPosition: 103, latestLevelDetails: { fragments } };
  const at = (position, buffered) => stateIn(hls, { position, buffered, playing: true, rate: 1 }, 1_000_000_000);
  assert.equal(at(101.5, 1).position, 51.5);
  assert.equal(at(102.5, 1).position, 53.5, "times may jump from one segment to the next");
  assert.equal(at(0, 0).position, 54, "at first it is where it is about to start");
  assert.equal(stateIn({ ...hls, latestLevelDetails: null }, { position: 9, buffered: 0 }, 0), null);
});

test("who falls behind is brought to the edge, who goes back or stops is not", () => {
  const media = Object.assign(new EventTarget(), { currentTime: 0, readyState: 4, paused: false, seeking: false });
  const hls = { media, liveSyncPosition: 100, latestLevelDetails: { targetduration: 2 } };
  const follower = new Follower(hls);
  let now = 0;
  const look = (position, waits = 20_000) => {
    media.currentTime = position;
    follower.look((now += waits));
    return media.currentTime;
  };
  const seek = (position) => {
    media.currentTime = position;
    media.dispatchEvent(new Event("seeking"));
  };
  assert.equal(look(0), 0, "it has not begun");
  assert.equal(look(98), 98, "what hls.js makes up for is its own affair");
  assert.equal(look(97), 100);
  assert.equal(look(97, 9000), 97, "not again so soon");
  seek(60);
  assert.equal(look(60), 60);
  seek(80);
  assert.equal(look(80), 80, "nearer, but still in the past");
  assert.equal(look(99.5), 99.5);
  assert.equal(look(95), 100);
  media.paused = true;
  look(90);
  media.paused = false;
  assert.equal(look(90), 90);
  seek(100);
  look(100);
  hls.liveSyncPosition = 110;
  assert.equal(look(101), 110);
});

test("how far behind is told as people say it", () => {
  assert.deepEqual([-1, 2.44, 35, 3723].map(behindText), ["0.0 s", "2.4 s", "0:35", "1:02:03"]);
});

// ---- Wishes --------------------------------------------------------------------------------------------------------

function wishes(sizes) {
  const unwanted = [];
  const all = new Wishes({
    held: () => 0,
    size: (segment) => sizes[segment],
    copy: (segment) => new Uint8Array(sizes[segment]).fill(segment).buffer,
    path: () => ({ pathBps: 8e6, firstByteMs: 1 }),
    unwant: (segment) => unwanted.push(segment),
  });
  return { all, unwanted };
}

test("a segment is its parts joined, in whatever order they come", async () => {
  const { all } = wishes({ 1: 2, 2: 1, 3: 3 });
  const segment = all.add([1, 2, 3]);
  const alone = all.add([2]);
  [3, 2].forEach((part) => all.delivered(part));
  assert.deepEqual([...new Uint8Array((await alone).bytes)], [2]);
  assert.ok(all.has(1) && !all.has(2));
  all.delivered(1);
  const { bytes, timing } = await segment;
  assert.deepEqual([...new Uint8Array(bytes)], [1, 1, 2, 3, 3, 3]);
  assert.deepEqual([timing.loaded, timing.total], [6, 6]);
});

test("a segment of which one part fails fails once, and what nobody waits for is let go", async () => {
  const { all, unwanted } = wishes({ 1: 2, 2: 1, 3: 3 });
  const segment = all.add([1, 2, 3]);
  const alone = all.add([3]);
  all.delivered(1);
  all.failed(2, new Error("gone"));
  await assert.rejects(segment, /gone/);
  assert.deepEqual(unwanted, [2]);
  all.delivered(3);
  assert.equal((await alone).bytes.byteLength, 3);
});

test("an aborted load of several parts lets go of all of them", async () => {
  const { all, unwanted } = wishes({ 1: 2, 2: 1 });
  const controller = new AbortController();
  const segment = all.add([1, 2], controller.signal);
  controller.abort();
  await assert.rejects(segment, { name: "AbortError" });
  assert.deepEqual(unwanted, [1, 2]);
});

test("the loader asks the engine for parts as for segments", async () => {
  const asked = [];
  const engine = {
    isStrict: false,
    matches: () => true,
    load: ({ url }) => {
      asked.push(url);
      return Promise.resolve({ bytes: new ArrayBuffer(5), timing: { start: 1, first: 2, end: 3, loaded: 5, total: 5 } });
    },
  };
  const Loader = loaderFor(engine);
  const loader = new Loader({});
  const context = { url: "http://o/v0/part/7.m4s", part: { index: 1 }, frag: { type: "main" } };
  const [response, stats] = await new Promise((resolve, reject) => {
    const callbacks = { onSuccess: (...told) => resolve(told), onError: reject, onTimeout: reject };
    loader.load(context, { loadPolicy: { maxLoadTimeMs: 1000 } }, callbacks);
  });
  assert.deepEqual(asked, [context.url]);
  assert.equal(response.data.byteLength, 5);
  assert.deepEqual([stats.loading.start, stats.loading.first, stats.loading.end, stats.loaded], [1, 2, 3, 5]);
});

test("small files say something of the origin's rate where parts are small, and then from their first byte on", () => {
  const rate = new OriginRate();
  assert.equal(rate.sample(15_000, 30, 20), null);
  assert.equal(rate.measured(), null);
  rate.takesSmall = true;
  assert.equal(rate.sample(15_000, 30, 20), 12e6);
  assert.equal(Math.round(rate.measured().bps), 12e6);
});

// ---- Heads ---------------------------------------------------------------------------------------------------------

/** Answers requests one by one: what `next` is called with is given to the oldest. */
function origin() {
  const asked = [];
  const waiting = [];
  globalThis.fetch = (url, { signal }) => {
    asked.push(`${url.pathname}${url.search}`);
    return new Promise((resolve, reject) => {
      waiting.push(resolve);
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  };
  const next = async (bytes, status = 200) => (await until(() => waiting.shift()))(new Response(bytes, { status }));
  return { asked, next };
}
const BASE = new URL("http://o/s/stage/");

test("heads are asked for one question at a time, and the first answer may be on its way already", async () => {
  const { asked, next } = origin();
  const taken = [];
  const heads = new Heads(BASE, { take: (bytes) => (taken.push([...bytes]), null), again: assert.fail, hopeless: assert.fail }, () => "?token=1", Promise.resolve(Uint8Array.of(1)));
  heads.ask(0, 0);
  await until(() => taken.length === 1);
  assert.deepEqual(asked, []);
  // One answer leads to many questions, head by head.
  heads.ask(2, 7);
  heads.ask(2, 8);
  await until(() => asked.length === 1);
  // A neighbour's head leads to one more, and the answer has nothing that it did not tell.
  heads.ask(2, 9);
  assert.equal(asked.length, 1);
  await next(Uint8Array.of(2, 3));
  await until(() => asked.length === 2);
  await next(Uint8Array.of(4));
  await until(() => taken.length === 3);
  assert.deepEqual(asked, ["/s/stage/heads?token=1&epoch=2&after=8", "/s/stage/heads?token=1&epoch=2&after=9"]);
  assert.deepEqual(taken, [[1], [2, 3], [4]]);
  heads.close();
});

test("what fails is asked again, and an answer without a head is one", async () => {
  const { asked, next } = origin();
  const taken = [];
  let again = 0;
  const heads = new Heads(BASE, { take: (bytes) => (taken.push(bytes.length), null), again: () => again++, hopeless: assert.fail });
  heads.ask(1, 5);
  await next(null, 500);
  await next(new Uint8Array(0));
  await until(() => asked.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  heads.ask(1, 5);
  await next(Uint8Array.of(9));
  await until(() => taken.length === 1);
  assert.deepEqual([asked.length, again], [3, 1]);
  heads.close();
});

test("answers that are refused from the first one on are hopeless, and the reason is told", async () => {
  const { next } = origin();
  let why = null;
  const heads = new Heads(BASE, { take: () => "forged", again: () => {}, hopeless: (reason) => { why = reason; } });
  heads.ask(0, 0);
  for (let i = 0; i < 3; i++) await next(Uint8Array.of(1));
  assert.equal(await until(() => why), "forged");
  heads.close();
});

// ---- The core ------------------------------------------------------------------------------------------------------

const module = new WebAssembly.Module(readFileSync(join(DIST, "braidcast-live.wasm")));

async function open(key = stream.key) {
  const orders = [];
  const carrier = new Proxy({}, { get: (_, name) => (...args) => orders.push([name, ...args]) });
  const opening = { index: new Uint8Array(stream.description), isLive: true, key, me: new Uint8Array(20), seed: 1, upload: 1e6, record: false };
  const core = await Core.open(module, opening, carrier);
  core.flush();
  return { core, orders };
}

test("the core takes heads, and lets in the bytes that they tell of and no others", async () => {
  const { core, orders } = await open();
  assert.deepEqual(core.film.renditions.map(({ id, kind }) => [id, kind]), [["v0", "video"], ["v1", "video"], ["a0", "audio"]]);
  assert.ok(core.isInit(1, stream.renditions[1].init) && !core.isInit(0, stream.renditions[1].init));
  core.audience(0);
  core.wake();
  assert.ok(orders.some(([name, epoch, number]) => name === "askHeads" && epoch === 0 && number === 0), `${orders}`);
  const wanted = segmentKey(1, 3);
  assert.equal(core.partSize(wanted), 0);
  assert.equal(core.heads(new Uint8Array(await stream.answer("heads", query(0, 0)))), null);
  const { bytes } = stream.renditions[1].parts[2];
  assert.equal(core.partSize(wanted), bytes.length);

  core.want(wanted);
  const pieces = Math.ceil(bytes.length / 32768);
  assert.ok(pieces > 1);
  const piece = (i) => new Uint8Array(bytes.subarray(i * 32768, (i + 1) * 32768));
  const bad = piece(0);
  bad[1000] ^= 1;
  assert.equal(core.originPiece(wanted, 0, bad), false);
  for (let i = 0; i < pieces; i++) assert.equal(core.originPiece(wanted, i, piece(i)), true);
  assert.deepEqual(orders.filter(([name]) => name === "deliver"), [["deliver", wanted]]);

  // The next question names what was taken.
  const later = await stream.answer("heads", query(1, 1));
  assert.equal(core.heads(new Uint8Array(later)), null);
  const flipped = new Uint8Array(await stream.answer("heads", query(1, 2)));
  flipped[60] ^= 1;
  assert.match(core.heads(flipped), /./);
});

test("a stream of somebody else's is refused", async () => {
  await assert.rejects(open("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"), /./);
});
