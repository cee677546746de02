// Three viewers at the edge of a live stream for fifteen seconds. How fast they are depends on the machine: that is for bench/live.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { delaysS, recoveredS, skippedS } from "./lib/screens.mjs";
import { verdict } from "./lib/verdict.mjs";
import { clock, players, together } from "./scenarios/live.mjs";

test("what screens showed is worked out from the times of capture", () => {
    const at = (shown, captured) => ({ shown, captured, delay: shown - captured });
    // A picture that stands still, one that catches up a tenth faster, and a leap of two seconds.
    const seen = [at(10_000, 8000), at(13_000, 8050), at(14_000, 9150), at(14_250, 11_400)];
    assert.equal(skippedS(seen), 2);
    assert.equal(recoveredS(seen, 9000), 5);
    assert.equal(recoveredS(seen, 12_000), null);
    assert.deepEqual([delaysS(seen), delaysS([])], [{ p50: 4.85, p95: 4.95 }, { p50: null, p95: null }]);
});

test("everybody's players play a stream at low latency", { timeout: 180_000 }, async () => {
    const report = new Report("live, players, short");
    await players(report, { seconds: 15, delayMax: null, ladder: "144:150k,216:300k" });
    verdict(report);
});

test("three viewers of a live stream give parts to each other and hardly ask for playlists", { timeout: 180_000 }, async () => {
    const report = new Report("live, short");
    await together(report, { viewers: 3, seconds: 15, gapMs: 1000 });
    verdict(report);
});

test("viewers play on where the origin's clock leaps, ahead and then back behind where it was", { timeout: 240_000 }, async () => {
    const report = new Report("live, clock, short");
    const how = { viewers: 2, gapMs: 500, settleS: 5, afterS: 10, leastS: 1, aheadS: 20, behindS: 20, ladder: "144:150k,216:300k" };
    assert.notEqual(await clock(report, how), null, "a clock of one's own needs libfaketime: scripts/setup.sh test");
    verdict(report);
});
