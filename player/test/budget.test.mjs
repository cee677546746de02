// What a page has to load, and what the module may touch. Needs a build: node build.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { DIST } from "./lib/server.mjs";

const BUDGET_BYTES = 150 * 1024;
const zipped = (name) => gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length;

test("the player and its core, without hls.js, fit the budget", () => {
  const [script, wasm] = [zipped("braidcast-player.js"), zipped("braidcast.wasm")];
  console.log(`braidcast-player.js ${script} + braidcast.wasm ${wasm} = ${script + wasm} of ${BUDGET_BYTES} bytes (gzip); hls.js ${zipped("hls.js")}`);
  assert.ok(script + wasm <= BUDGET_BYTES);
});

test("the module imports nothing: no clock, no randomness, no I/O can come in", async () => {
  const module = await WebAssembly.compile(readFileSync(join(DIST, "braidcast.wasm")));
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const names = WebAssembly.Module.exports(module).map(({ name }) => name).filter((name) => name !== "memory");
  assert.ok(names.every((name) => name.startsWith("braidcast_") || name.startsWith("__")), names.join(" "));
});
