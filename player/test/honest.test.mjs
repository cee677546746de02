// What the player's bandwidth estimator is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./lib/bundle.mjs";

const { pathOf, report } = await load("honest.ts");
const NOW = 100_000;
const course = (changes) => ({ bytes: 1_000_000, hungryOriginBytes: 0, hungryPeerBytes: 0, hungryMs: 0, elapsedMs: 0, pathBps: 8_000_000, firstByteMs: 40, ...changes });
/** What hls.js makes of it: bits by time, the time to the first byte taken out as far as it is usual. */
const bps = ({ start, first, end }, bytes = 1_000_000) => (bytes * 8000) / (end - start - Math.min(first - start, 40));

test("a segment that is held already loads at the speed of the path, not in no time", () => {
  const told = report(course({ elapsedMs: 2 }), NOW);
  assert.equal(told.end, NOW);
  assert.equal(Math.round(bps(told)), 8_000_000);
});

test("a segment that took its time in comfort loads at the speed of the path too", () => {
  assert.equal(Math.round(bps(report(course({ elapsedMs: 25_000 }), NOW))), 8_000_000);
});

test("hungry time counts as it passes", () => {
  for (const bytes of [{ hungryOriginBytes: 1_000_000 }, { hungryPeerBytes: 1_000_000 }]) {
    const told = report(course({ elapsedMs: 3000, hungryMs: 3000, ...bytes }), NOW);
    assert.equal(told.start, NOW - 3000);
    assert.equal(told.first, NOW - 2960);
  }
});

test("a quick origin is as quick as it is, a quick neighbour no quicker than the path", () => {
  assert.equal(report(course({ elapsedMs: 100, hungryMs: 100, hungryOriginBytes: 1_000_000 }), NOW).start, NOW - 100);
  assert.equal(report(course({ elapsedMs: 100, hungryMs: 100, hungryPeerBytes: 1_000_000 }), NOW).start, NOW - 1000);
});

const path = (changes) => pathOf({ bothBps: null, bytes: 1e12, origin: null, bufferedS: 5, offerBps: null, ...changes });
const origin = (bps, ageMs = 0) => ({ origin: { bps, ageMs } });

test("a path is believed the more the longer it has been seen", () => {
  const told = [20_000, 160_000, 1e6, 1e7, 1e9].map((bytes) => path({ bothBps: 50e6, bytes }));
  assert.ok(told[0] < 0.7e6 && told[1] < 2e6 && told[4] > 49e6, `${told}`);
  assert.deepEqual(told, [...told].sort((a, b) => a - b));
  // A slow one is believed sooner: it takes longer to be seen.
  assert.ok(path({ bothBps: 1e6, bytes: 250_000 }) > 0.8e6);
});

test("slow neighbours never make a path slower than the origin is", () => {
  assert.equal(path({ bothBps: 1e6, ...origin(9e6) }), 9e6);
  assert.equal(path(origin(9e6)), 9e6);
  // What it did a while ago is no promise any more.
  assert.ok(path({ bothBps: 1e6, ...origin(9e6, 31_000) }) < 1.01e6);
});

test("quick neighbours lift it by half, and by more only while the origin is not needed", () => {
  const lifted = [0, 20_000, 40_000, 400_000].map((ageMs) => path({ bothBps: 50e6, ...origin(1e6, ageMs) }));
  assert.deepEqual(lifted.map((bps) => Math.round(bps / 1e5)), [15, 30, 60, 500]);
});

test("a player with much left may try more", () => {
  const lifted = [0, 10, 20, 40].map((bufferedS) => path({ bothBps: 50e6, bufferedS, ...origin(1e6) }));
  assert.deepEqual(lifted.map((bps) => Math.round(bps / 1e5)), [15, 15, 25, 45]);
});

test("what a neighbour offers lifts it and never lowers it", () => {
  assert.equal(path({ bothBps: 1e6, offerBps: 3e6 }), 3e6);
  assert.equal(path({ ...origin(9e6), offerBps: 3e6 }), 9e6);
  assert.equal(path({ offerBps: 3e6 }), 3e6);
});

test("with nothing known nothing is told", () => assert.equal(path({}), null));

test("what was held when hunger began is charged at the speed of the path", () => {
  const told = report(course({ elapsedMs: 900, hungryMs: 500, hungryOriginBytes: 250_000 }), NOW);
  assert.equal(told.start, NOW - (500 + 750));
});

test("a load on which nothing has come yet looks as old as its hungry time", () => {
  const comfortable = report(course({ bytes: 0, elapsedMs: 20_000 }), NOW);
  assert.equal(comfortable.start, NOW - 40);
  const hungry = report(course({ bytes: 0, elapsedMs: 20_000, hungryMs: 5000 }), NOW);
  assert.equal(hungry.start, NOW - 5000);
});

test("with nothing measured the real time is all there is", () => {
  const told = report(course({ elapsedMs: 1234, pathBps: null }), NOW);
  assert.deepEqual(told, { start: NOW - 1234, first: NOW - 1194, end: NOW });
});

test("the times are always in order", () => {
  for (let i = 0; i < 10_000; i++) {
    const bytes = Math.random() * 1e6;
    const told = report(course({
      bytes, hungryOriginBytes: (Math.random() * bytes) / 2, hungryPeerBytes: (Math.random() * bytes) / 2, hungryMs: Math.random() < 0.5 ? 0 : Math.random() * 1e4,
      elapsedMs: Math.random() * 2e4, pathBps: Math.random() < 0.2 ? null : Math.random() * 1e8, firstByteMs: Math.random() * 500,
    }), NOW);
    assert.ok(told.start <= told.first && told.first <= told.end, JSON.stringify(told));
  }
});
