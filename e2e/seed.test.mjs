// bench/seed.mjs with fewer viewers and a shorter film.

import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { verdict } from "./lib/verdict.mjs";
import { seeding } from "./scenarios/seed.mjs";

for (const release of ["2.3.1", "2.2.2"]) {
    test(`pages that run p2p-media-loader ${release} take a seeder for one of them`, { timeout: 180_000 }, async () => {
        const report = new Report(`seed ${release}, short`);
        await seeding(report, { release, viewers: 2, seconds: 30, gapMs: 1000, shareMin: 0.3 });
        verdict(report);
    });
}
