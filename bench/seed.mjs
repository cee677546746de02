// Pages of p2p-media-loader with a seeder among their viewers: `node bench/seed.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { seeding } from "../e2e/scenarios/seed.mjs";

const how = options("Three viewers of a two-minute film, with both releases: node bench/seed.mjs [option value]...", {
    viewers: 3,
    seconds: 120,
    gapMs: 2000,
    shareMin: 0.8,
    cutAfterMs: 20_000,
});
const { cutAfterMs, ...plain } = how;
for (const release of ["2.3.1", "2.2.2"]) {
    const report = new Report(`seed, ${release}`);
    await seeding(report, { ...plain, release });
    report.close();
    const cut = new Report(`seed, ${release}, origin gone`);
    await seeding(cut, { ...how, release });
    cut.close();
}
