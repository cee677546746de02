// What a native node's links cost beside the bare WebRTC stack: `node bench/links.mjs`. A part is left out by 0.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { browsers, ceiling, memory, standing, throughput } from "../e2e/scenarios/links.mjs";

const how = options("A native node's links: throughput, CPU, memory, and half an hour by --minutes 30: node bench/links.mjs [option value]...", {
    pairs: 7,
    seconds: 3,
    ratioMin: 0.9,
    browserPairs: 5,
    ceiling: 0,
    connectionsMax: 1000,
    minutes: 1,
    peers: 500,
    active: 50,
    kbps: 2000,
    growthMax: 5,
});
const report = new Report("links");
if (how.pairs) await throughput(report, how);
if (how.browserPairs) await browsers(report, how);
if (how.ceiling) await ceiling(report, how);
if (how.connectionsMax) await memory(report, { connections: [100, 500, 1000].filter((count) => count <= how.connectionsMax) });
if (how.minutes) await standing(report, how);
report.close();
