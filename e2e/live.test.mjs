// bench/live.mjs with three viewers, for fifteen seconds, beside three of hls.js alone at the same time.

import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { verdict } from "./lib/verdict.mjs";
import { live } from "./scenarios/live.mjs";

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
        offloadMin: 0.1,
        // One stall of one of six viewers is chance.
        stalledMoreS: 2,
    });
    verdict(report);
});
