// bench/native.mjs with fewer viewers and a shorter film.

import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { verdict } from "./lib/verdict.mjs";
import { native } from "./scenarios/native.mjs";

test("browsers get the film from a viewer without a browser", { timeout: 180_000 }, async () => {
    const report = new Report("native, short");
    await native(report, { viewers: 2, seconds: 20, gapMs: 1500, copiesMax: 1.2, shareMin: 0.3 });
    verdict(report);
});
