// One package in everybody's players and validators: `node bench/players.mjs`.

import { Report } from "../e2e/lib/report.mjs";
import { players } from "../e2e/scenarios/players.mjs";
import { LADDER } from "../e2e/lib/stage.mjs";

const report = new Report("players");
await players(report, { seconds: 60, ladder: LADDER });
report.close();
