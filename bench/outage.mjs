// The tracker is gone for half a minute; then the origin, for longer than the swarm holds the film: `node bench/outage.mjs`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { LADDER } from "../e2e/lib/stage.mjs";
import { originOutage, trackerOutage } from "../e2e/scenarios/outage.mjs";

const how = options("Five viewers of a two-minute film: node bench/outage.mjs [option value]...", {
    viewers: 5,
    seconds: 120,
    gapMs: 2000,
    cutAfterMs: 20_000,
    cutForMs: 30_000,
    killAfterMs: 20_000,
    deadForMs: 60_000,
    ladder: LADDER,
});
const tracker = new Report("outage-tracker");
await trackerOutage(tracker, how);
tracker.close();

const origin = new Report("outage-origin");
await originOutage(origin, how);
origin.close();
