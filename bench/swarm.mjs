// Viewers together against the same viewers each on their own, at an origin without limits: `node bench/swarm.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { LADDER } from "../e2e/lib/stage.mjs";
import { swarm } from "../e2e/scenarios/swarm.mjs";

const how = options("Ten viewers of a two-minute film: node bench/swarm.mjs [option value]...", {
    viewers: 10,
    seconds: 120,
    gapMs: 2000,
    ladder: LADDER,
    copiesMax: 1.5,
});
const report = new Report("swarm");
await swarm(report, how);
report.close();
