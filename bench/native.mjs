// Browsers that join a viewer without one: `node bench/native.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { native } from "../e2e/scenarios/native.mjs";

const how = options("Four browsers and a viewer without one, a two-minute film: node bench/native.mjs [option value]...", {
    viewers: 4,
    seconds: 120,
    gapMs: 2000,
    copiesMax: 1,
    shareMin: 0.5,
});
const report = new Report("native");
await native(report, how);
report.close();
