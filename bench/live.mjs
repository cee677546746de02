// Ten viewers of a live stream, by what their screens show: `node bench/live.mjs`. A case is left out by 0.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { live, mishaps } from "../e2e/scenarios/live.mjs";

const how = options("A camera, three qualities, ten viewers beside as many of hls.js alone: node bench/live.mjs [option value]...", {
    viewers: 10,
    seconds: 60,
    gapMs: 1000,
    low: 1,
    normal: 1,
    capped: 1,
    mishaps: 1,
    bitsPerSecond: 2_600_000,
});
const { viewers, seconds, gapMs, bitsPerSecond } = how;
if (how.low) {
    const report = new Report("live, low latency");
    await live(report, { viewers, seconds, gapMs, latency: "low", p50Max: 3, p95Max: 4, offloadMin: 0.75 });
    report.close();
}
if (how.normal) {
    const report = new Report("live, ten seconds behind");
    await live(report, { viewers, seconds, gapMs, latency: "normal", offloadMin: 0.85, copiesMax: 1.5 });
    report.close();
}
if (how.capped) {
    const report = new Report("live, a line of two streams");
    await live(report, { viewers, seconds, gapMs, latency: "normal", bitsPerSecond });
    report.close();
}
if (how.mishaps) {
    const report = new Report("live, mishaps");
    await mishaps(report, { viewers, die: Math.floor(viewers * 0.3), gapMs, seconds: 15, stallMax: 0.4 });
    report.close();
}
