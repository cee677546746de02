// bench/outage.mjs with a shorter film and shorter outages.

import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { LADDER } from "./lib/stage.mjs";
import { verdict } from "./lib/verdict.mjs";
import { originOutage, trackerOutage } from "./scenarios/outage.mjs";

const FILM = { viewers: 4, seconds: 60, gapMs: 1000, ladder: LADDER };

test("without the tracker viewers play on and exchange, and come back to it", { timeout: 240_000 }, async () => {
    const report = new Report("outage of the tracker, short");
    await trackerOutage(report, { ...FILM, cutAfterMs: 3000, cutForMs: 8000, toTheEnd: false });
    verdict(report);
});

test("without the origin viewers play what the swarm holds, and go on when it is back", { timeout: 300_000 }, async () => {
    const report = new Report("outage of the origin, short");
    await originOutage(report, { ...FILM, killAfterMs: 4000, deadForMs: 8000 });
    verdict(report);
});
