// bench/live.mjs with three viewers, for twenty seconds, beside three of hls.js alone at the same time.

import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { verdict } from "./lib/verdict.mjs";
import { live } from "./scenarios/live.mjs";

test("three viewers of a live stream see it as soon as with hls.js alone, and give parts to each other", { timeout: 180_000 }, async () => {
    const report = new Report("live, short");
    await live(report, {
        viewers: 3,
        seconds: 20,
        gapMs: 1000,
        latency: "low",
        together: true,
        // The first figures of a debug build on a machine that does other things too: pictures are late on the screen, not on the way.
        p50Max: 5,
        p95Max: 8,
        // One of three has to get everything from the origin, and for a quarter of the time nobody has met.
        offloadMin: 0.2,
        // One short stall of one of six viewers is chance.
        stalledMoreS: 2,
    });
    verdict(report);
});
