// The words between the core and the page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./lib/bundle.mjs";

const { carryOut, segmentKey, renditionOf, sequenceOf } = await load("ops.ts");

function record() {
  const calls = [];
  const carrier = new Proxy({}, { get: (_, name) => (...args) => calls.push([name, ...args.map((a) => (a instanceof Uint8Array ? [...a] : a))]) });
  return { calls, carrier };
}

test("every operation arrives with its arguments, in order", () => {
  const { calls, carrier } = record();
  const none = 0xffff_ffff;
  const words = [1, 7, 0, 2, 2, 7, 2, 1, 3, 900, 4, 3, 0, 3, 4, 7, 2, 5, 1, 2, 0, 9, 6, 1, 2, 7, 1, 2, 8, 1, 2, 9, 12,
    10, 1, 2, 3, 44, 55, 10, 1, 2, 3, none, 55, 11, none, 1, 2, 3, 55, 12, 7, 55,
    13, 1, 1, 2, 14, 3, 77, 15, 1, 2, 4, 0, 2];
  carryOut(Uint32Array.from(words), Uint8Array.of(10, 11, 12), carrier);
  const key = segmentKey(1, 2);
  assert.deepEqual(calls, [
    ["send", 7, [10, 11]], ["sendPiece", 7, [12], segmentKey(3, 900), 4], ["dial", [10, 11, 12]], ["hangup", 7, "forger"],
    ["fetch", key, 0, 9], ["cancelFetch", key], ["deliver", key], ["evict", key], ["announce", 12],
    ["keep", key, 3, 44, 55], ["keep", key, 3, null, 55], ["refused", null, key, 3, 55], ["dropped", 7, 55],
    ["signal", "answer", [11, 12]], ["askHeads", 3, 77], ["storeEarly", key, 4, [10, 11]],
  ]);
});

test("a batch that is cut short or of another version is an error, not a guess", () => {
  const { carrier } = record();
  assert.throws(() => carryOut(Uint32Array.of(5, 1, 2), new Uint8Array(0), carrier), RangeError);
  assert.throws(() => carryOut(Uint32Array.of(99), new Uint8Array(0), carrier), /different versions/);
});

test("a key gives back what it was made of", () => {
  for (const [rendition, sequence] of [[0, 1], [31, 50_000], [255, 0xffff_ffff]]) {
    const key = segmentKey(rendition, sequence);
    assert.deepEqual([renditionOf(key), sequenceOf(key)], [rendition, sequence]);
  }
});
