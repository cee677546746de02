// The tracker beside the field's, and in a crowd and under attack: `node bench/tracker.mjs [case]...`. The others are built by
// `scripts/trackers.sh`; one that is missing is told of in the report.

import { idling } from "../e2e/lib/machine.mjs";
import { options } from "../e2e/lib/options.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { attacks, cost, crowd, flood, latency, memory, oneSwarm } from "../e2e/scenarios/tracker.mjs";
import { build } from "../e2e/tracker/servers.mjs";

const CASES = { cost, "one-swarm": oneSwarm, latency, memory, crowd, flood, attacks };

const how = options(
    "The tracker beside the field's: node bench/tracker.mjs [case]... [option value]...",
    {
        rounds: 3,
        seconds: 3,
        connections: [1000, 10_000],
        crowded: 10_000,
        standing: 18_000,
        minutes: 10,
        rate: 500,
        hostile: 1000,
        senseless: 300,
        floodRate: 50_000,
        aloneSeconds: 30,
        malformed: 1_000_000,
        malformedRate: 10_000,
        firstSeconds: 30,
        attackSeconds: 200,
        stretchSeconds: 20,
        otherSeconds: 10,
        realTime: 1,
        attackedMax: 2,
        aquaticMax: 0.333,
        flatMax: 1.15,
        p99Max: 1,
        p99MsMax: 50,
        peerKibMax: 2,
        growthMax: 1.1,
    },
    Object.keys(CASES),
);
build();
for (const name of how.cases) {
    const report = new Report(`tracker-${name}`);
    const idle = idling();
    try {
        await CASES[name](report, how);
    } catch (error) {
        report.holds("the case ran to its end", false, error.message);
    }
    report.figure("processors idle meanwhile", idle(), { unit: "%", digits: 0 });
    report.close();
}
