// The origin's whole uplink is 3.2 Mbit/s: `node bench/capped.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { capped } from "../e2e/scenarios/capped.mjs";

const how = options("Ten viewers of a two-minute film, one thin uplink: node bench/capped.mjs [option value]...", {
    viewers: 10,
    seconds: 120,
    gapMs: 2000,
    bitsPerSecond: 3_200_000,
    rounds: 1,
});
const report = new Report("capped");
await capped(report, how);
report.close();
