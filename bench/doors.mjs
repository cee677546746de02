// Ten minutes at each door for encoders with random cuts, and a stream of two hours: `node bench/doors.mjs`, or one of the two: `doors`, `hours`.

import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { doors, hours } from "../e2e/scenarios/doors.mjs";

const CASES = {
    doors: (report, how) => doors(report, how),
    // Sent eight times as fast as it was filmed: a quarter of an hour.
    hours: (report, how) => hours(report, how),
};

const how = options(
    "What encoders that are cut off leave behind, and a stream of hours: node bench/doors.mjs [case]... [option value]...",
    { minutes: 10, cutEveryS: 30, backS: 12, hours: 2, times: 8, dvr: "4m", seed: 1 },
    Object.keys(CASES),
);
for (const name of how.cases) {
    const report = new Report(`live, ${name}`);
    await CASES[name](report, how);
    report.close();
}
