// One viewer forges, one withholds, one drips what it sends: `node bench/hostile.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { LADDER } from "../e2e/lib/stage.mjs";
import { hostile } from "../e2e/scenarios/hostile.mjs";

const how = options("Five viewers, of whom three are hostile: node bench/hostile.mjs [option value]...", {
    viewers: 5,
    seconds: 60,
    gapMs: 2000,
    attackers: ["forger", "mute", "slow"],
    ladder: LADDER,
});
const report = new Report("hostile");
await hostile(report, how);
report.close();
