// bench/edge.mjs with fewer viewers and a shorter film.

import { test } from "node:test";
import { office } from "./scenarios/edge.mjs";
import { Report } from "./lib/report.mjs";
import { verdict } from "./lib/verdict.mjs";

test("an office with an edge takes a film once", { timeout: 180_000 }, async () => {
    const report = new Report("edge, short");
    // One quality: what changes of quality cost is for the long form, where they weigh less. The first segment, which each viewer fetches
    // for itself, is an eighth of this film.
    const how = { ladder: "360:750k", bitsPerSecond: 3_000_000, copiesMax: 1.3, topMin: 0.9 };
    await office(report, { viewers: 2, seconds: 30, gapMs: 1500, ...how });
    verdict(report);
});
