// How busy this machine is: viewers who wait for a processor say nothing about a swarm.

import { cpus } from "node:os";
import { sum } from "./report.mjs";

/** @returns {() => number} percent of the processors' time that nobody has used since */
export function idling() {
    const before = times();
    return () => {
        const after = times();
        return (100 * (after.idle - before.idle)) / (after.all - before.all);
    };
}

function times() {
    const all = cpus().map((cpu) => cpu.times);
    return { idle: sum(all.map(({ idle }) => idle)), all: sum(all.map((of) => sum(Object.values(of)))) };
}
