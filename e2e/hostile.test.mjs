// bench/hostile.mjs with a shorter film.

import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { LADDER } from "./lib/stage.mjs";
import { verdict } from "./lib/verdict.mjs";
import { hostile } from "./scenarios/hostile.mjs";

test("viewers who forge, withhold or drip cost nobody a picture or a second", { timeout: 240_000 }, async () => {
    const report = new Report("hostile, short");
    await hostile(report, { viewers: 5, attackers: ["forger", "mute", "slow"], seconds: 20, gapMs: 1500, ladder: LADDER });
    verdict(report);
});
