// Ten viewers, a two-minute film, an origin with 3.2 Mbit/s for all of them: `node bench/capped.mjs [rounds]`.

import { Report } from "../e2e/lib/report.mjs";
import { capped } from "../e2e/scenarios/capped.mjs";

const report = new Report("capped");
await capped(report, { viewers: 10, seconds: 120, gapMs: 2000, bitsPerSecond: 3_200_000, rounds: Number(process.argv[2] ?? 1) });
report.close();
