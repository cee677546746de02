// Ten viewers, a two-minute film, an origin without limits: `node bench/swarm.mjs`.

import { Report } from "../e2e/lib/report.mjs";
import { swarm } from "../e2e/scenarios/swarm.mjs";

const report = new Report("swarm");
await swarm(report, { viewers: 10, seconds: 120, gapMs: 2000, copiesMax: 1.5 });
report.close();
