// The tracker's client against a tracker on a real socket.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { load } from "./lib/bundle.mjs";
import { startTracker } from "./lib/tracker.mjs";

const { Tracker } = await load("tracker.ts");
const { binaryBytes, binaryString, randomText } = await load("binary.ts");
const hash = Uint8Array.from({ length: 20 }, (_, i) => [0, 1, 0x7f, 0x80, 0xa0, 0xff, 0x22, 0x5c][i % 8]);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function eventually(check, ms = 5000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(10)) if (check()) return;
  assert.ok(check(), `in vain: ${check}`);
}

function client(url, name, options = {}) {
  const seen = [];
  const events = Object.fromEntries(["state", "audience", "mayUpload", "candidates", "classic", "offer", "answer", "undeliverable"].map(
    (event) => [event, (...args) => seen.push([event, ...args])]));
  const peerId = new TextEncoder().encode(name.padEnd(20, "."));
  const tracker = new Tracker({ url, infoHash: hash, peerId, socket: WebSocket, backoffMs: 40, ...options }, events);
  return { tracker, seen, id: binaryString(peerId), of: (event) => seen.filter(([e]) => e === event).map(([, ...args]) => args) };
}

test("an announce says what is known of us at that moment", async () => {
  const server = await startTracker();
  const said = { upload_kbps: 5000, position_ms: 30_000 };
  const { tracker } = client(server.url, "a", { says: () => said });
  tracker.announce(1);
  await eventually(() => server.log.length > 0, 15_000);
  assert.equal(server.log.at(-1).upload_kbps, 5000);
  assert.equal(server.log.at(-1).position_ms, 30_000);
  said.position_ms = 45_000;
  tracker.announce(1);
  await eventually(() => server.log.at(-1).position_ms === 45_000, 15_000);
  tracker.close();
  await server.close();
});

test("a tracker says that we are to upload nothing, and when that is over", async () => {
  const more = { upload: false };
  const server = await startTracker({ more });
  const { tracker, of } = client(server.url, "a");
  tracker.announce(1);
  await eventually(() => of("mayUpload").length === 1);
  more.upload = true;
  tracker.announce(1);
  await eventually(() => of("mayUpload").length === 2);
  delete more.upload;
  tracker.announce(1);
  await eventually(() => of("mayUpload").length === 3);
  assert.deepEqual(of("mayUpload"), [[false], [true], [true]]);
  tracker.close();
  await server.close();
});

test("peers hear of each other, and offers go to the one they are for", async () => {
  const server = await startTracker();
  const [a, b] = [client(server.url, "a"), client(server.url, "b")];
  a.tracker.announce(3);
  await eventually(() => a.of("audience").length === 1);
  assert.equal(server.members.size, 1, "who has not announced itself is not there");
  b.tracker.announce(0);
  await eventually(() => server.members.size === 2);
  await sleep(2100);
  b.tracker.announce(5);
  await eventually(() => b.of("candidates").length === 1);
  assert.deepEqual(b.of("candidates")[0], [[a.id]]);
  assert.deepEqual(b.of("audience").at(-1), [1]);
  assert.equal(b.tracker.isClassic, false);
  b.tracker.offer(a.id, "offer-1", "v=0 offer");
  await eventually(() => a.of("offer").length === 1);
  assert.deepEqual(a.of("offer")[0], [b.id, "offer-1", "v=0 offer"]);
  a.tracker.answer(b.id, "offer-1", "v=0 answer");
  await eventually(() => b.of("answer").length === 1);
  assert.deepEqual(b.of("answer")[0], [a.id, "offer-1", "v=0 answer"]);
  b.tracker.offer("nobody".padEnd(20, "."), "offer-2", "v=0");
  await eventually(() => b.of("undeliverable").length === 1);
  assert.deepEqual(b.of("undeliverable")[0], ["offer-2"]);
  const first = server.log.find(({ peer_id }) => peer_id === a.id);
  assert.equal(first.info_hash, binaryString(hash));
  assert.equal(first.event, "started");
  assert.ok(server.log.filter(({ peer_id, event }) => peer_id === a.id && event === "started").length === 1);
  a.tracker.close();
  await eventually(() => server.members.size === 1);
  b.tracker.close();
  server.close();
});

test("a tracker that names nobody is asked to hand out offers", async () => {
  const server = await startTracker({ named: false });
  const a = client(server.url, "a");
  a.tracker.announce(4);
  await eventually(() => a.of("classic").length === 1);
  assert.equal(a.tracker.isClassic, true);
  a.tracker.announceOffers([{ offer: { type: "offer", sdp: "v=0" }, offer_id: "x".repeat(20) }]);
  await eventually(() => server.log.some(({ offers, numwant }) => offers?.length === 1 && numwant === 1));
  a.tracker.close();
  server.close();
});

test("who asks for peers before the tracker has answered does not wait for its interval", async () => {
  let before = () => a.tracker.announce(3);
  const server = await startTracker({ more: { get read() { before(); before = () => {}; return true; } } });
  const a = client(server.url, "a");
  a.tracker.announce(1);
  await eventually(() => server.log.length === 2, 15_000);
  assert.equal(server.log[1].want, 3);
  a.tracker.close();
  server.close();
});

test("a lost tracker is found again, and told everything anew", async () => {
  const server = await startTracker();
  const a = client(server.url, "a");
  a.tracker.announce(2);
  await eventually(() => server.members.size === 1);
  server.wss.clients.forEach((socket) => socket.terminate());
  await eventually(() => server.log.filter(({ event }) => event === "started").length === 2);
  assert.equal(server.log.at(-1).want, 2);
  assert.ok(a.of("state").some(([connected]) => !connected));
  a.tracker.close();
  server.close();
});

test("it announces again at the tracker's interval, asking for nobody", async () => {
  const server = await startTracker({ interval: 5 });
  const a = client(server.url, "a");
  a.tracker.announce(1);
  await eventually(() => server.log.length >= 2, 8000);
  assert.equal(server.log[1].want, 0);
  assert.equal(server.log[1].event, undefined);
  a.tracker.close();
  server.close();
});

test("a viewer goes to the tracker that keeps its swarm, and on when that one stops", async () => {
  const [keeper, third] = [await startTracker(), await startTracker()];
  const more = { "go to": keeper.url };
  const first = await startTracker({ more });
  const a = client(first.url, "a");
  a.tracker.announce(3);
  await eventually(() => keeper.members.size === 1);
  await eventually(() => first.wss.clients.size === 0);
  assert.equal(first.log.at(-1).event, "stopped", "its name is free for where it goes");
  assert.deepEqual([keeper.log[0].event, keeper.log[0].want], ["started", 3]);
  const farewell = JSON.stringify({ "retry ms": 50, "go to": third.url });
  keeper.wss.clients.forEach((socket) => socket.close(1012, farewell));
  await eventually(() => third.members.size === 1);
  // When that one is lost, without a word, its own is the next.
  delete more["go to"];
  third.wss.clients.forEach((socket) => socket.terminate());
  await eventually(() => first.members.size === 1);
  a.tracker.close();
  await Promise.all([first, keeper, third].map((server) => server.close()));
});

test("no tracker has its viewers call where none answers, twice, or leave a safe line", async () => {
  const dialled = [];
  class Counted extends WebSocket { constructor(url) { super(url); dialled.push(url); } }
  const victim = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((resolve) => victim.once("listening", resolve));
  const at = `ws://127.0.0.1:${victim.address().port}/`;
  victim.on("connection", (socket) => setTimeout(() => socket.close(), 20));
  const server = await startTracker({ more: { "go to": at } });
  const a = client(server.url, "a", { socket: Counted });
  a.tracker.announce(1);
  await eventually(() => dialled.length === 3);
  const farewell = JSON.stringify({ "go to": at });
  await eventually(() => server.members.size === 1);
  server.wss.clients.forEach((socket) => socket.close(1012, farewell));
  await eventually(() => dialled.length === 4);
  assert.deepEqual(dialled, [server.url, at, server.url, server.url]);
  a.tracker.close();

  // A line to a tracker with TLS, as far as the client sees.
  const safe = [];
  class Safe extends WebSocket { constructor(url) { super(url.replace("wss:", "ws:")); safe.push(url); } }
  const b = client(server.url.replace("ws:", "wss:"), "b", { socket: Safe });
  b.tracker.announce(1);
  await eventually(() => b.of("audience").length === 1);
  for (const to of [7, null, "", "https://127.0.0.1/", "javascript:7", at]) {
    server.wss.clients.forEach((socket) => socket.close(1012, JSON.stringify({ "go to": to })));
    const before = safe.length;
    await eventually(() => safe.length > before);
    await eventually(() => server.wss.clients.size === 1);
  }
  assert.deepEqual(new Set(safe), new Set([server.url.replace("ws:", "wss:")]));
  b.tracker.close();
  victim.close();
  await server.close();
});

test("an address where nothing answers is tried less and less often", async () => {
  const attempts = [];
  class Counted extends WebSocket { constructor(url) { super(url); attempts.push(Date.now()); } }
  const a = client("ws://127.0.0.1:9", "a", { socket: Counted });
  await sleep(1500);
  a.tracker.close();
  // 40, 80, 160, 320, 640 ms, each between half and whole: at most 7 by now, and more than 3.
  assert.ok(attempts.length >= 4 && attempts.length <= 8, `${attempts.length}`);
});

test("rubbish from the tracker is passed over", async () => {
  const server = await startTracker();
  const a = client(server.url, "a");
  a.tracker.announce(1);
  await eventually(() => server.members.size === 1);
  const [socket] = server.wss.clients;
  const base = { action: "announce", info_hash: binaryString(hash) };
  for (const message of ["{", "null", "[]", "7", '"x"', "x".repeat(100_000), JSON.stringify({ ...base, info_hash: "other" }),
    JSON.stringify({ ...base, offer: null, answer: 3 }), JSON.stringify({ ...base, peer_id: 3, offer: { type: "offer", sdp: "x" }, offer_id: "y" }),
    JSON.stringify({ ...base, peer_id: a.id, offer: { type: "offer", sdp: "x" }, offer_id: "y" }),
    JSON.stringify({ ...base, peer_id: "b", offer: { type: "answer", sdp: "x" }, offer_id: "y" }),
    JSON.stringify({ ...base, candidates: "all", interval: "soon", complete: {}, incomplete: null })]) socket.send(message);
  await sleep(200);
  assert.equal(a.of("offer").length + a.of("answer").length + a.of("candidates").length, 0);
  assert.ok(a.tracker.isConnected);
  a.tracker.close();
  server.close();
});

test("binary strings carry every byte, and nothing else passes for one", () => {
  assert.deepEqual(binaryBytes(binaryString(hash)), hash);
  for (const wrong of ["", "x".repeat(19), "x".repeat(21), "x".repeat(19) + "\u0100", 7, null]) assert.equal(binaryBytes(wrong), null);
  assert.match(randomText(40), /^[A-Za-z0-9]{40}$/);
});
