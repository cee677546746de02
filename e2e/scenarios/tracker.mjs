// What the tracker costs beside the field's, under what the field's clients do, and what becomes of its clients in a crowd and
// under attack. Every tracker has one processor and the same clients, in turns in the same run; the figures are medians.

import { median } from "../lib/report.mjs";
import { load, missing, OTHERS, start } from "../tracker/servers.mjs";

const OURS = "braidcast";
/** With the limits that a public tracker has. */
const LIMITED = "braidcast as it is";
/** The same, where this machine's networks have limits too. */
const AMONG_STRANGERS = "braidcast among strangers";
/** Where attackers come from; all others come from 127.0.0.0. Who is slow takes no places of who sends nonsense. */
const STRANGE = { junk: "127.0.1.0", slow: "127.0.2.0" };

/** Processor time of an announce, in swarms of a hundred. */
export async function cost(report, how) {
    for (const connections of how.connections) {
        const runs = await turns(report, `${connections} connections`, how, { connections });
        const of = (name) => median((runs[name] ?? []).map((run) => run.server.cpu_us));
        const ours = of(OURS);
        for (const other of OTHERS) {
            const max = other === "aquatic_ws" ? how.aquaticMax : null;
            report.figure(`CPU of an announce beside ${other}'s, ${connections} connections`, ratio(ours, of(other)), { max });
        }
        report.figure(`CPU of an announce, ${connections} connections`, ours, { unit: "us", digits: 0 });
        nothingLost(report, `${connections} connections`, runs[OURS]);
    }
}

/** One swarm of all, beside swarms of a hundred. */
export async function oneSwarm(report, how) {
    const connections = how.crowded;
    const names = [OURS, ...OTHERS.filter((name) => name !== "bittorrent-tracker")];
    const many = await turns(report, `${connections} connections in swarms of 100`, { ...how, names: [OURS] }, { connections });
    const one = await turns(report, `${connections} connections in one swarm`, { ...how, names }, { connections, swarm: connections });
    const of = (runs) => median(runs[OURS].map((run) => run.server.cpu_us));
    report.figure("CPU of an announce in one swarm beside many", ratio(of(one), of(many)), { max: how.flatMax });
    nothingLost(report, "one swarm", one[OURS]);
}

/** How long an offer is on its way, at a rate that all of them bear. */
export async function latency(report, how) {
    const title = `${how.rate} announces a second`;
    const runs = await turns(report, title, how, { connections: 1000, rate: how.rate });
    const p99 = (name) => median((runs[name] ?? []).map((run) => run.samples.at(-1).relay_us.p99));
    const known = OTHERS.map(p99).filter((micros) => micros !== null);
    const best = known.length ? Math.min(...known) : null;
    report.figure("relay of an offer, p99, beside the best of the others", ratio(p99(OURS), best), { max: how.p99Max });
    report.figure("relay of an offer, p99", p99(OURS), { unit: "us", digits: 0 });
    nothingLost(report, title, runs[OURS]);
}

/** What a peer takes. */
export async function memory(report, how) {
    const runs = await turns(report, `memory with ${how.crowded} connections`, { ...how, rounds: 1 }, { connections: how.crowded });
    const joined = median((runs[OURS] ?? []).map((run) => run.server.kib_per_peer.joined));
    report.figure("memory of a joined peer", joined, { max: how.peerKibMax, unit: "KiB" });
}

/** As many as the machine lets in, for minutes. */
export async function crowd(report, how) {
    await standing(report, "crowd", how, []);
}

/** The same, with one who floods, and a thousand who are slow or send nonsense. */
export async function flood(report, how) {
    const attacks = [
        { attack: "flood", connections: 1, rate: how.floodRate },
        { attack: "slow", connections: Math.round(how.hostile * 0.9) },
        { attack: "junk", connections: Math.round(how.hostile * 0.1), rate: 1000 },
    ];
    await standing(report, "flood", how, attacks);
}

/**
 * Clients alone, then the same clients while others do all that is known against WebSockets and HTTP, until a million malformed messages
 * have come: how much slower the clients are, and what the server keeps of it.
 */
export async function attacks(report, how) {
    const server = await start(AMONG_STRANGERS);
    try {
        const clients = { connections: 1000, rate: how.rate, "warm-up": 2 };
        const alone = await load(server, { ...clients, seconds: how.aloneSeconds }, "alone");
        // Longer than their rate takes, for they are turned away most of the time.
        const seconds = how.attackSeconds;
        const attack = (seconds) => [
            load(server, { attack: "junk", network: STRANGE.junk, connections: 200, rate: how.malformedRate, seconds }),
            load(server, { attack: "slow", network: STRANGE.slow, connections: how.hostile, seconds }),
        ];
        // What the first attack of its life has cost an allocator stays with it; what each costs is a leak.
        await Promise.all(attack(how.firstSeconds));
        const before = await load(server, { ...clients, seconds: how.aloneSeconds }, "before");
        const hostile = attack(seconds + 5);
        const attacked = await load(server, { ...clients, seconds }, "under attack");
        const attackers = await Promise.all(hostile);
        const after = await load(server, { ...clients, seconds: how.aloneSeconds }, "after");
        const p99 = (run) => median(run.samples.map((sample) => sample.relay_us.p99)) / 1000;
        const mib = (run) => run.server.rss_kib.after / 1024;
        report.figure("malformed messages", attackers[0].messages, { min: how.malformed, digits: 0 });
        report.figure("connections taken in", await server.sum("taken"), { digits: 0 });
        report.figure("connections turned away", await server.sum("turned_away"), { digits: 0 });
        report.figure("relay of an offer, p99, alone", p99(alone), { unit: "ms" });
        report.figure("relay of an offer, p99, under attack", p99(attacked), { unit: "ms" });
        report.figure("p99 under attack beside alone", p99(attacked) / p99(alone), { max: how.attackedMax });
        report.figure("memory before the first attack", mib(alone), { unit: "MiB", digits: 1 });
        report.figure("memory after the first", mib(before), { unit: "MiB", digits: 1 });
        report.figure("memory after the second", mib(after), { unit: "MiB", digits: 1 });
        report.figure("memory after the second beside after the first", mib(after) / mib(before), { max: how.growthMax });
        for (const [title, run] of Object.entries({ alone, before, "under attack": attacked, after })) nothingLost(report, title, [run]);
        for (const [at, title] of ["malformed", "slow"].entries()) report.rows(title, ends(attackers[at]));
    } finally {
        await server.stop();
    }
}

async function standing(report, title, how, attacks) {
    const server = await start(LIMITED);
    try {
        const seconds = how.minutes * 60;
        const samples = Math.max(4, Math.round(how.minutes * 2));
        const crowd = load(server, { connections: how.standing, rate: how.rate, seconds, samples, "warm-up": 5 }, title);
        // Longer: while the clients come, too.
        const hostile = attacks.map((attack) => load(server, { ...attack, seconds: seconds + 30 }));
        const [run, ...attackers] = await Promise.all([crowd, ...hostile]);
        const rss = run.samples.map((sample) => sample.rss_kib);
        report.figure(`${title}: memory at the end beside a quarter of the way`, rss.at(-1) / rss[Math.floor(samples / 4)], { max: how.growthMax });
        report.figure(`${title}: memory of a peer at the end`, run.server.kib_per_peer.after, { unit: "KiB" });
        const p99 = median(run.samples.map((sample) => sample.relay_us.p99));
        report.figure(`${title}: relay of an offer, p99, median of the samples`, p99 / 1000, { max: how.p99MsMax, unit: "ms" });
        report.figure(`${title}: CPU of the server`, 100 * run.server.cpu, { unit: "%", digits: 0 });
        nothingLost(report, title, [run]);
        report.rows(`${title}, over time`, run.samples.map(({ at, announces, cpu_us, rss_kib, relay_us, round_trip_us }) => ({
            s: at, announces, "us CPU": cpu_us, "MiB": rss_kib / 1024, "relay p50 us": relay_us.p50, "p99": relay_us.p99, "round trip p99": round_trip_us.p99,
        })));
        for (const [at, { attack }] of attacks.entries()) report.rows(`${title}: ${attack}`, ends(attackers[at]));
    } finally {
        await server.stop();
    }
}

/**
 * Every tracker in turn, some rounds: the runs by name. What is missing or fails is told in the report.
 *
 * @returns {Promise<Record<string, object[]>>}
 */
async function turns(report, title, { rounds, seconds, names = [OURS, ...OTHERS] }, options) {
    const runs = {};
    const rows = [];
    for (let round = 0; round < rounds; round++) {
        for (const name of names.filter((name) => missing(name) === null)) {
            const server = await start(name);
            try {
                (runs[name] ??= []).push(await load(server, { seconds, ...options }));
            } catch (error) {
                rows.push({ tracker: `${name}: ${error.message}` });
            } finally {
                await server.stop();
            }
        }
    }
    for (const name of names) {
        const why = missing(name);
        if (why !== null) rows.push({ tracker: `${name}: MISSING, ${why}` });
    }
    const measured = Object.entries(runs).map(([name, all]) => row(name, all));
    const heads = Object.fromEntries(Object.keys(measured[0] ?? {}).map((head) => [head, null]));
    report.rows(title, [...measured, ...rows.map((row) => ({ ...heads, ...row }))]);
    return runs;
}

function row(name, runs) {
    const of = (figure) => median(runs.map(figure));
    const all = runs.map((run) => run.server.cpu_us);
    return {
        tracker: name,
        "us CPU": of((run) => run.server.cpu_us),
        "least": Math.min(...all),
        "most": Math.max(...all),
        "announces/s": of((run) => run.announces_per_second),
        "relay p50 us": of((run) => run.samples.at(-1).relay_us.p50),
        "p99": of((run) => run.samples.at(-1).relay_us.p99),
        "round trip p99": of((run) => run.samples.at(-1).round_trip_us.p99),
        "base MiB": of((run) => run.server.rss_kib.base / 1024),
        "KiB connected": of((run) => run.server.kib_per_peer.connected),
        "joined": of((run) => run.server.kib_per_peer.joined),
        "after": of((run) => run.server.kib_per_peer.after),
        lost: of((run) => run.lost.all),
    };
}

function nothingLost(report, title, runs) {
    const faults = (runs ?? []).map(({ lost, misrouted, strays, refused, closed, strange }) => lost.all + misrouted + strays + refused + closed + strange);
    const bad = (runs ?? []).filter((_, at) => faults[at] > 0).map((run) => JSON.stringify({ lost: run.lost, misrouted: run.misrouted, strays: run.strays, reasons: run.reasons, closed: run.closed }));
    report.holds(`${title}: every offer and answer arrived, once, and no client was refused or thrown out`, runs?.length > 0 && bad.length === 0, bad.join("; "));
}

function ratio(one, other) {
    return one === null || other === null ? null : one / other;
}

/** What became of attackers: by what they do, how much they were told and how their connections ended. */
function ends({ connections, messages, heard, ends }) {
    const all = { attacker: "all", connections, messages, heard: null, ended: null };
    const each = Object.entries(heard).map(([attacker, heard]) => {
        const how = Object.entries(ends).filter(([end]) => end.startsWith(`${attacker}: `));
        const ended = how.map(([end, times]) => `${end.slice(attacker.length + 2)}, ${times} times`).join("; ");
        return { attacker, connections: null, messages: null, heard, ended };
    });
    return [all, ...each];
}
