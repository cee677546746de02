// One package in everybody's players and validators: `node bench/players.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { LADDER } from "../e2e/lib/stage.mjs";
import { players } from "../e2e/scenarios/players.mjs";

const how = options("Chromium, ffmpeg, mpv and validators: node bench/players.mjs [option value]...", { seconds: 60, ladder: LADDER });
const report = new Report("players");
await players(report, how);
report.close();
