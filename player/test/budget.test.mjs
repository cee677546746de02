// What a page has to load, and what the module may touch. Needs a build: node build.mjs
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { brotliDecompressSync, gzipSync } from "node:zlib";
import { DIST } from "./lib/server.mjs";

const BUDGET_BYTES = 150 * 1024;
const LIVE_BUDGET_BYTES = 180 * 1024;
const zipped = (name) => gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length;

test("the player and its core, without hls.js, fit the budget", () => {
  const [script, wasm] = [zipped("braidcast-player.js"), zipped("braidcast.wasm")];
  console.log(`braidcast-player.js ${script} + braidcast.wasm ${wasm} = ${script + wasm} of ${BUDGET_BYTES} bytes (gzip); hls.js ${zipped("hls.js")}`);
  assert.ok(script + wasm <= BUDGET_BYTES);
});

test("what only live streams need is in files of its own, and small too", () => {
  const [script, wasm] = [zipped("braidcast-live.js"), zipped("braidcast-live.wasm")];
  console.log(`braidcast-live.js ${script} + braidcast-live.wasm ${wasm} = ${script + wasm} of ${LIVE_BUDGET_BYTES} bytes (gzip)`);
  assert.ok(script + wasm <= LIVE_BUDGET_BYTES);
});

for (const name of ["braidcast.wasm", "braidcast-live.wasm"]) test(`${name} imports nothing: no clock, no randomness, no I/O can come in`, async () => {
  const module = await WebAssembly.compile(readFileSync(join(DIST, name)));
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const names = WebAssembly.Module.exports(module).map(({ name }) => name).filter((name) => name !== "memory");
  assert.ok(names.every((name) => name.startsWith("braidcast_") || name.startsWith("__")), names.join(" "));
});

test("what is served compressed is the same as what is not", () => {
  const packed = readdirSync(DIST).filter((name) => name.endsWith(".br"));
  for (const name of ["hls.js", "braidcast-player.js", "braidcast.wasm", "braidcast-live.wasm"]) assert.ok(packed.includes(`${name}.br`), name);
  for (const name of packed) {
    assert.ok(brotliDecompressSync(readFileSync(join(DIST, name))).equals(readFileSync(join(DIST, name.slice(0, -3)))), name);
  }
});
