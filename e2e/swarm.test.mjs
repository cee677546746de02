// bench/swarm.mjs with fewer viewers and a shorter film. The bounds are wider where a short film and a busy machine make the
// figures coarse; the real ones are the bench's.

import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { verdict } from "./lib/verdict.mjs";
import { swarm } from "./scenarios/swarm.mjs";

test("four viewers together take less than two copies from the origin, and lose nothing by it", { timeout: 180_000 }, async () => {
    const report = new Report("swarm, short");
    await swarm(report, { viewers: 4, seconds: 20, gapMs: 1500, copiesMax: 1.9, wastedMax: 0.1, startupMs: 700 });
    verdict(report);
});
