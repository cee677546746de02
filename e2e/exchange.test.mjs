// Two browsers without a tracker are introduced by a viewer without a browser.

import { test } from "node:test";
import { exchange } from "./scenarios/exchange.mjs";
import { Report } from "./lib/report.mjs";
import { verdict } from "./lib/verdict.mjs";

test("viewers meet through a neighbour when the tracker is gone", { timeout: 240_000 }, async () => {
    const report = new Report("exchange, short");
    await exchange(report, { seconds: 60, meetsWithinMs: 60_000 });
    verdict(report);
});
