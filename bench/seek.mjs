// Random seeks through the gateway of a viewer without a browser: `node bench/seek.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { seeking } from "../e2e/scenarios/seek.mjs";

const how = options("Fifty seeks in a two-minute film, each by a player of its own: node bench/seek.mjs [option value]...", {
    seconds: 120,
    seeks: 50,
    worstMs: 2000,
});
const report = new Report("seek");
await seeking(report, how);
report.close();
