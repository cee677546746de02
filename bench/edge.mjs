// An office of five browsers with an edge, behind a line for one: `node bench/edge.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { office } from "../e2e/scenarios/edge.mjs";

const how = options("Five browsers and an edge with a cold cache, a line for one stream: node bench/edge.mjs [option value]...", {
    viewers: 5,
    seconds: 180,
    gapMs: 2000,
    bitsPerSecond: 2_400_000,
    copiesMax: 1.1,
    topMin: 0.85,
});
const report = new Report("edge");
await office(report, how);
report.close();
