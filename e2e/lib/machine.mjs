// How busy this machine is: viewers who wait for a processor say nothing about a swarm.

import { cpus } from "node:os";

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
    return {
        idle: all.reduce((sum, of) => sum + of.idle, 0),
        all: all.reduce((sum, of) => sum + of.user + of.nice + of.sys + of.irq + of.idle, 0),
    };
}
