// A core that is recorded in the browser's module decides the same when it is run again, there and natively.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { sealIndex } from "./lib/film.mjs";
import { DIST } from "./lib/server.mjs";

const module = new WebAssembly.Module(readFileSync(join(DIST, "braidcast.wasm")));
const instance = () => new WebAssembly.Instance(module, {}).exports;

function put(wasm, ...parts) {
  const bytes = Buffer.concat(parts);
  const at = wasm.braidcast_input(bytes.length); // may move the memory
  new Uint8Array(wasm.memory.buffer, at, bytes.length).set(bytes);
}

/** Drives a core through a made-up evening: chance, but always the same chance. */
function record() {
  let seed = 7;
  const chance = (below) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
  const segments = Array.from({ length: 40 }, (_, i) => ({ ms: 4000, bytes: Buffer.alloc(50_000 + i * 999, i) }));
  const index = sealIndex([{ id: "v0", kind: "video", bandwidth: 100_000, init: Buffer.from("i"), segments }]);
  const wasm = instance();
  put(wasm, Buffer.alloc(20, 65), index);
  assert.equal(wasm.braidcast_open(1, 0, index.length, 0.5, 2_500_000, 1), 0);
  let now = 1;
  for (let step = 0; step < 3000; step++) {
    now += chance(60);
    const segment = 1 + chance(40);
    switch (chance(9)) {
      case 0: wasm.braidcast_player(now, now / 1000, chance(30), 1, 1); break;
      case 1: wasm.braidcast_want(now, 0, segment); break;
      case 2: put(wasm, Buffer.alloc(20, 66 + chance(30))); wasm.braidcast_link_up(now, step + 1, chance(2)); break;
      case 3: wasm.braidcast_link_down(now, 1 + chance(step + 1)); break;
      case 4: put(wasm, Buffer.alloc(20, 66 + chance(60))); wasm.braidcast_strangers(now, 1); break;
      case 5: {
        const { bytes } = segments[segment - 1];
        for (let piece = 0; piece * 32768 < bytes.length; piece++) {
          const part = bytes.subarray(piece * 32768, (piece + 1) * 32768);
          put(wasm, part);
          assert.equal(wasm.braidcast_origin_piece(now, 0, segment, piece, part.length), 1);
        }
        wasm.braidcast_origin_end(now, 0, segment, 1, 0);
        break;
      }
      case 6: put(wasm, Buffer.from([4, 6, chance(128), 0, segment, chance(4), 9, 0])); wasm.braidcast_message(now, 1 + chance(step + 1), 8); break;
      case 7: wasm.braidcast_audience(now, chance(50)); wasm.braidcast_origin_rate(now, chance(5_000_000)); break;
      default: wasm.braidcast_wake(now);
    }
  }
  return read(wasm, 2);
}

function read(wasm, what) {
  const length = wasm.braidcast_read(what);
  return Buffer.from(new Uint8Array(wasm.memory.buffer, wasm.braidcast_text(), length).slice());
}

function replay(trace) {
  const wasm = instance();
  put(wasm, trace);
  return wasm.braidcast_replay(trace.length);
}

const trace = record();

test("a trace replays in the module, call for call", () => {
  assert.ok(replay(trace) > 3000, `${replay(trace)} calls of a trace of ${trace.length} bytes`);
});

test("a changed trace is noticed", () => {
  const other = Buffer.from(trace);
  other[29] ^= 0xff; // another upload limit: the greetings differ
  assert.ok(replay(other) < 0, `${replay(other)}`);
  assert.ok(!(replay(trace.subarray(0, trace.length - 1)) > 0), "a cut trace");
  assert.ok(Number.isNaN(replay(Buffer.alloc(100, 255))), "no trace");
});

/** The program and its first arguments. In `$BRAIDCAST_EXAMPLES` it has been built. */
const native = () => process.env.BRAIDCAST_EXAMPLES ? [join(process.env.BRAIDCAST_EXAMPLES, "replay")] : [process.env.CARGO ?? "cargo",
  "run", "--quiet", "--package", "braidcast-swarm", "--example", "replay", "--"];

test("the same trace replays natively", () => {
  const file = join(tmpdir(), `braidcast-trace-${process.pid}`);
  writeFileSync(file, trace);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const [program, ...given] = native();
  const { status, stdout, stderr } = spawnSync(program, [...given, file], { cwd: root, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.equal(Number(stdout), replay(trace));
});
