// Five viewers of whom one forges, one withholds and one drips: `node bench/hostile.mjs`.

import { Report } from "../e2e/lib/report.mjs";
import { hostile } from "../e2e/scenarios/hostile.mjs";
import { LADDER } from "../e2e/lib/stage.mjs";

const report = new Report("hostile");
await hostile(report, { viewers: 5, attackers: ["forger", "mute", "slow"], seconds: 60, gapMs: 2000, ladder: LADDER });
report.close();
