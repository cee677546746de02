// bench/live.mjs with three viewers, for fifteen seconds, beside three of hls.js alone at the same time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { delaysS, recoveredS, skippedS } from "./lib/screens.mjs";
import { verdict } from "./lib/verdict.mjs";
import { live } from "./scenarios/live.mjs";

test("what screens showed is worked out from the times of capture", () => {
    const at = (shown, captured) => ({ shown, captured, delay: shown - captured });
    // A picture that stands still, one that catches up a tenth faster, and a leap of two seconds.
    const seen = [at(10_000, 8000), at(13_000, 8050), at(14_000, 9150), at(14_250, 11_400)];
    assert.equal(skippedS(seen), 2);
    assert.equal(recoveredS(seen, 9000), 5);
    assert.equal(recoveredS(seen, 12_000), null);
    assert.deepEqual([delaysS(seen), delaysS([])], [{ p50: 4.85, p95: 4.95 }, { p50: null, p95: null }]);
});

test("three viewers of a live stream see it as soon as with hls.js alone, and give parts to each other", { timeout: 180_000 }, async () => {
    const report = new Report("live, short");
    await live(report, {
        viewers: 3,
        seconds: 15,
        gapMs: 1000,
        latency: "low",
        together: true,
        // How late pictures are depends on the machine: on all of them alike.
        laterS: 1.5,
        // One of three has to get everything from the origin, and for much of fifteen seconds nobody has met.
        offloadMin: 0.05,
        // A part of the best quality for each is a large share of so little.
        onTheWayMax: 15,
        // One stall of one of six viewers is chance.
        stalledMoreS: 2,
    });
    verdict(report);
});
