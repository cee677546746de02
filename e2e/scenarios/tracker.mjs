// What the tracker costs beside the field's, under what the field's clients do, and what becomes of its clients in a crowd and
// under attack. Every tracker has one processor and the same clients, in turns in the same run; the figures are medians.

import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../lib/report.mjs";
import { FIRST, LAST, load, may, missing, OTHERS, start } from "../tracker/servers.mjs";

const OURS = "braidcast";
/** With the limits that a public tracker has. */
const LIMITED = "braidcast as it is";
/** The same, where this machine's networks have limits too. */
const AMONG_STRANGERS = "braidcast among strangers";
/** Where attackers come from; all others come from 127.0.0.0. Who is slow takes no places of who sends nonsense. */
const STRANGE = { junk: "127.0.1.0", slow: "127.0.2.0" };

/** Clients who are attacked in turns are looked at so often; what they find in the first seconds of a turn is still of the one before. */
const SAMPLE_SECONDS = 2;
const SETTLED_MS = 3000;
/** Processes start and end: the turns are over so much later than their seconds say, at most. */
const LATE_MS = 20_000;

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
 * Clients while others do all that is known against WebSockets and HTTP, until a million malformed messages have come: how much slower the
 * clients are than in the same run without, and what the server keeps of it. They are attacked and left alone in turns, and in a third of
 * the turns the same attackers go for another server of the machine: how slow that makes the clients is no doing of the tracker's.
 */
export async function attacks(report, how) {
    // Whatever else this machine does is not measured, where that is allowed.
    const first = how.realTime && may(FIRST) ? FIRST : [];
    const server = await start(AMONG_STRANGERS, first);
    const other = await start(AMONG_STRANGERS, LAST);
    try {
        const clients = { connections: 1000, rate: how.rate, "warm-up": 5 };
        const attack = (server, seconds) =>
            Promise.all([
                load(server, { attack: "junk", network: STRANGE.junk, connections: how.senseless, rate: how.malformedRate, seconds }),
                load(server, { attack: "slow", network: STRANGE.slow, connections: how.hostile, seconds }),
            ]);
        const alone = await load(server, { ...clients, seconds: how.aloneSeconds }, "alone");
        // What the first attack of its life has cost an allocator stays with it; what each costs is a leak.
        await attack(server, how.firstSeconds);
        const before = await load(server, { ...clients, seconds: how.aloneSeconds }, "before");

        const rounds = Math.ceil(how.attackSeconds / how.stretchSeconds);
        const seconds = rounds * (2 * how.stretchSeconds + how.otherSeconds) + LATE_MS / 1000;
        const honest = load(server, { ...clients, seconds, samples: Math.round(seconds / SAMPLE_SECONDS) }, "in turns");
        // They come, and are settled when the turns begin; failing is told when it is awaited.
        honest.catch(() => {});
        await sleep(1000 * clients["warm-up"]);
        const stretches = [];
        const stretch = async (kind, work) => {
            const from = Date.now() + SETTLED_MS;
            const result = await work;
            stretches.push({ kind, from, to: Date.now() });
            return result;
        };
        const attackers = [];
        for (let round = 0; round < rounds; round++) {
            await stretch("alone", sleep(1000 * how.stretchSeconds));
            attackers.push(await stretch("attacked", attack(server, how.stretchSeconds)));
            await stretch("other", attack(other, how.otherSeconds));
        }
        const run = await honest;
        const after = await load(server, { ...clients, seconds: how.aloneSeconds }, "after");

        const p99 = byStretch(run, stretches);
        const mib = (run) => run.server.rss_kib.after / 1024;
        const [junk, slow] = [0, 1].map((which) => together(attackers.map((both) => both[which])));
        report.figure("malformed messages", junk.messages, { min: how.malformed, digits: 0 });
        report.figure("connections taken in", await server.sum("taken"), { digits: 0 });
        report.figure("connections turned away", await server.sum("turned_away"), { digits: 0 });
        report.figure("relay of an offer, p99, alone", p99.alone, { unit: "ms" });
        report.figure("relay of an offer, p99, while another server is attacked", p99.other, { unit: "ms" });
        report.figure("relay of an offer, p99, under attack", p99.attacked, { unit: "ms" });
        report.figure("p99 while another server is attacked beside alone", ratio(p99.other, p99.alone));
        report.figure("p99 under attack beside alone", ratio(p99.attacked, p99.alone), { max: how.attackedMax });
        report.figure("memory before the first attack", mib(alone), { unit: "MiB", digits: 1 });
        report.figure("memory after the first", mib(before), { unit: "MiB", digits: 1 });
        report.figure("memory after the others", mib(after), { unit: "MiB", digits: 1 });
        report.figure("memory after the others beside after the first", mib(after) / mib(before), { max: how.growthMax });
        report.figure("tracker and clients before all else on this machine", first.length ? 1 : 0, { digits: 0 });
        for (const [title, one] of Object.entries({ alone, before, "in turns": run, after })) nothingLost(report, title, [one]);
        report.rows("malformed", ends(junk));
        report.rows("slow", ends(slow));
    } finally {
        await Promise.all([server.stop(), other.stop()]);
    }
}

/** Medians of the samples' p99, in ms, by what was done meanwhile; those in between count for nothing. */
function byStretch(run, stretches) {
    const kinds = {};
    let from = run.began_ms;
    for (const { at, relay_us } of run.samples) {
        const to = run.began_ms + 1000 * at;
        const within = stretches.find((stretch) => stretch.from <= from && to <= stretch.to);
        if (within) (kinds[within.kind] ??= []).push(relay_us.p99 / 1000);
        from = to;
    }
    return Object.fromEntries(["alone", "attacked", "other"].map((kind) => [kind, median(kinds[kind] ?? [])]));
}

/** What became of several attacks as if they were one. */
function together(attacks) {
    const add = (sums, more) => Object.entries(more).forEach(([name, value]) => (sums[name] = (sums[name] ?? 0) + value));
    const all = { connections: 0, messages: 0, heard: {}, ends: {} };
    for (const { connections, messages, heard, ends } of attacks) {
        add(all, { connections, messages });
        add(all.heard, heard);
        add(all.ends, ends);
    }
    return all;
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
