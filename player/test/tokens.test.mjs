// Tokens between the tracker's client and a tracker that asks for them, on a real socket, with real signatures.
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { load } from "./lib/bundle.mjs";

const { Tracker } = await load("tracker.ts");
const { binaryString } = await load("binary.ts");
const { tokenSocket } = await load("tokens.ts");
const hash = Uint8Array.from({ length: 20 }, (_, i) => [0, 1, 0x7f, 0x80, 0xa0, 0xff, 0x22, 0x5c][i % 8]);
const peerId = new TextEncoder().encode("a".padEnd(20, "."));
const challenge = Buffer.alloc(32, 9).toString("base64url");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function eventually(check, ms = 5000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(10)) if (check()) return;
  assert.ok(check(), `in vain: ${check}`);
}

/** A tracker that answers announces by `judge`, after the challenge if it has one. */
async function startTracker(judge, asks = true) {
  const wss = new WebSocketServer({ port: 0 });
  await once(wss, "listening");
  const heard = [];
  wss.on("connection", (socket) => {
    if (asks) socket.send(JSON.stringify({ action: "challenge", challenge }));
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      heard.push(message);
      if (message.event === "stopped") return;
      const reply = { action: "announce", info_hash: message.info_hash, ...judge(message, heard.length) };
      socket.send(JSON.stringify(reply));
    });
  });
  const close = () => (wss.clients.forEach((socket) => socket.terminate()), wss.close());
  return { url: `ws://127.0.0.1:${wss.address().port}`, heard, close, wss };
}

const welcome = { interval: 120, complete: 0, incomplete: 1, candidates: [] };
const denied = (code) => ({ "failure reason": "no", denied: code, challenge });

function client(url, give) {
  const seen = [];
  const names = ["state", "audience", "mayUpload", "candidates", "classic", "offer", "answer", "undeliverable"];
  const events = Object.fromEntries(names.map((event) => [event, (...args) => seen.push([event, ...args])]));
  const tracker = new Tracker({ url, infoHash: hash, peerId, socket: tokenSocket(give, WebSocket), backoffMs: 40 }, events);
  return { tracker, seen, of: (event) => seen.filter(([e]) => e === event) };
}

/** Whether the proof is that of the key that the token was asked for. */
function fits({ token, proof }, viewer) {
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: viewer }, format: "jwk" });
  const parts = ["braidcast viewer proof v1\n", Buffer.from(challenge, "base64url"), hash, peerId, token];
  return verify(null, Buffer.concat(parts.map((part) => Buffer.from(part))), key, Buffer.from(proof, "base64url"));
}

test("a token is asked for once, proven, and goes out with the first announce", async () => {
  const until = Math.floor(Date.now() / 1000) + 330;
  const server = await startTracker(() => ({ ...welcome, token_until: until }));
  const asked = [];
  const a = client(server.url, async (wanted) => (asked.push(wanted), `token-${asked.length}`));
  a.tracker.announce(3);
  await eventually(() => a.of("audience").length === 1);
  assert.equal(asked[0].swarm, Buffer.from(hash).toString("hex"));
  assert.equal(server.heard.length, 1, "nothing went out without it");
  const [first] = server.heard;
  assert.deepEqual([first.token, first.want, first.event], ["token-1", 3, "started"]);
  assert.ok(fits(first, asked[0].viewer));
  assert.equal(first.info_hash, binaryString(hash));
  // Whoever is in says so without one.
  await sleep(2000);
  a.tracker.announce(5);
  await eventually(() => server.heard.length === 2);
  assert.equal(server.heard[1].token, undefined);
  assert.equal(asked.length, 1);
  a.tracker.close();
  server.close();
});

test("a membership that ended is renewed at once, by another token of the same key", async () => {
  const server = await startTracker((_, nth) => ({ ...welcome, token_until: Math.floor(Date.now() / 1000) + 300 * nth }));
  const asked = [];
  const a = client(server.url, async (wanted) => (asked.push(wanted), `token-${asked.length}`));
  a.tracker.announce(3);
  await eventually(() => a.of("audience").length === 1);
  const over = { action: "announce", info_hash: binaryString(hash), "failure reason": "over", denied: "expired" };
  server.wss.clients.forEach((socket) => socket.send(JSON.stringify(over)));
  await eventually(() => server.heard.length === 2);
  assert.equal(server.heard[1].token, "token-2");
  assert.equal(asked[0].viewer, asked[1].viewer);
  assert.ok(fits(server.heard[1], asked[1].viewer));
  a.tracker.close();
  server.close();
});

test("on a new connection a new token is shown", async () => {
  const server = await startTracker(() => welcome);
  let given = 0;
  const a = client(server.url, async () => `token-${++given}`);
  a.tracker.announce(3);
  await eventually(() => server.heard.length === 1);
  server.wss.clients.forEach((socket) => socket.terminate());
  await eventually(() => server.heard.length === 2);
  assert.deepEqual(server.heard.map(({ token }) => token), ["token-1", "token-2"]);
  a.tracker.close();
  server.close();
});

test("a refusal that no token cures is the last word, and is told", async () => {
  const server = await startTracker(() => denied("site"));
  const warned = [];
  const { warn } = console;
  console.warn = (text) => warned.push(text);
  let given = 0;
  const a = client(server.url, async () => `token-${++given}`);
  a.tracker.announce(3);
  await eventually(() => warned.length === 1);
  await sleep(2000);
  a.tracker.announce(3);
  await sleep(300);
  console.warn = warn;
  assert.deepEqual([server.heard.length, given, a.of("audience").length], [1, 1, 0]);
  a.tracker.close();
  server.close();
});

test("without a token nothing is sent, and the page is told why", async () => {
  const server = await startTracker(() => welcome);
  const warned = [];
  const { warn } = console;
  console.warn = (text) => warned.push(text);
  const a = client(server.url, async () => Promise.reject(new Error("who are you?")));
  a.tracker.announce(3);
  await eventually(() => warned.length === 1);
  console.warn = warn;
  assert.match(warned[0], /who are you\?/);
  assert.equal(server.heard.length, 0);
  a.tracker.close();
  server.close();
});

test("a tracker that asks for nothing gets nothing, a second later", async () => {
  const server = await startTracker(() => welcome, false);
  let given = 0;
  const a = client(server.url, async () => `token-${++given}`);
  a.tracker.announce(3);
  await eventually(() => a.of("audience").length === 1);
  assert.deepEqual([given, server.heard[0].token], [0, undefined]);
  a.tracker.close();
  server.close();
});
