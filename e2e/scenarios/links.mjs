// What the links of a native node cost, beside its WebRTC stack with as little round it as makes it work, which does the
// same between the same two ends in the same run. Figures that need a quiet machine are ratios of neighbouring runs.

import http from "node:http";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { browser } from "../lib/browser.mjs";
import { connect, cpuSeconds, end, pageEnd, residentBytes } from "../lib/ends.mjs";
import { pages } from "../lib/pages.mjs";
import { median } from "../lib/report.mjs";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** What is moved before the clock runs: slow start, and pages that are compiled. */
const WARM_UP_MS = 700;
/** The same dialler for both stacks: its memory is nobody's figure. */
const crowd = (options) => end("links", options);

/**
 * Native to native.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ pairs: number, seconds: number, ratioMin: number }} how
 */
export async function throughput(report, how) {
    const runs = await pairs(how, (stack) => moved({ taker: end(stack, { dial: 1 }), giver: end(stack), seconds: how.seconds }));
    const ratio = median(runs.map(({ links, bare }) => links.rate / bare.rate));
    report.figure("links beside the bare stack, bytes a second, median of pairs", ratio, { min: how.ratioMin });
    report.rows("native to native", summary(runs));
}

/**
 * Between a native end and a page, both ways.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ browserPairs: number, seconds: number }} how
 */
export async function browsers(report, { browserPairs, seconds }) {
    const site = await served();
    const bind = address();
    try {
        for (const way of ["native to Chromium", "Chromium to native"]) {
            const runs = await pairs({ pairs: browserPairs }, async (stack) => {
                // A browser of its own for each run: what one has used is not told from what another uses.
                const chromium = await browser();
                try {
                    const native = end(stack, { dial: 1, bind });
                    const page = await pageEnd(chromium, site.url);
                    const ends = way === "native to Chromium" ? { giver: native, taker: page } : { giver: page, taker: native };
                    return await moved({ ...ends, seconds });
                } finally {
                    await chromium.close();
                }
            });
            const ratio = median(runs.map(({ links, bare }) => links.rate / bare.rate));
            report.figure(`${way}, links beside the bare stack, median of pairs`, ratio);
            report.rows(way, summary(runs));
        }
    } finally {
        site.close();
    }
}

/**
 * What one thing or another changes on the bare stack, and how far the links follow.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ ceiling: number, seconds: number }} how `ceiling`: runs of each
 */
export async function ceiling(report, { ceiling: times, seconds }) {
    const KIB = 1024;
    const cases = [
        ["bare", "as it is", {}],
        ["bare-unbatched", "no GSO, GRO, recvmmsg", {}],
        ...[2, 4].map((channels) => ["bare", `${channels} channels of one link`, { channels }]),
        ...[2, 4, 8].map((dial) => ["bare", `${dial} links`, { dial }]),
        ...[16, 64].map((kib) => ["bare", `messages of ${kib} KiB`, { message: kib * KIB }]),
        ...[64, 256, 512].map((kib) => ["bare", `send buffer of ${kib} KiB`, { buffer: kib * KIB }]),
        ["links", "as they are", {}],
        ...[2, 4, 8].map((dial) => ["links", `${dial} links`, { dial }]),
        ...[16, 64].map((kib) => ["links", `messages of ${kib} KiB`, { message: kib * KIB }]),
        ...[64, 256, 512].map((kib) => ["links", `send buffer of ${kib} KiB`, { buffer: kib * KIB }]),
    ];
    const seen = cases.map(() => []);
    // In turns, so that what else the machine does meets all of them.
    for (let time = 0; time < times; time += 1) {
        for (const [at, [stack, , { dial = 1, ...options }]] of cases.entries()) {
            const ask = Math.max(16, (4 * (options.buffer ?? 0)) / (32 * KIB));
            const taker = end(stack, { dial, ask, ...options });
            seen[at].push(await moved({ taker, giver: end(stack, options), seconds, links: dial }));
        }
    }
    report.rows("the ceiling, medians", cases.map(([stack, what], at) => ({
        stack,
        what,
        "MB/s": median(seen[at].map((one) => one.rate / 1e6)),
        "giver CPU s/GiB": median(seen[at].map((one) => one.giver)),
        "taker CPU s/GiB": median(seen[at].map((one) => one.taker)),
    })));
}

/**
 * Memory of a node by its connections.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ connections: number[] }} how
 */
export async function memory(report, { connections }) {
    const rows = [];
    for (const dial of connections) {
        const row = { connections: dial };
        for (const stack of ["links", "bare"]) {
            const node = end(stack);
            const others = crowd({ dial, ask: 4, each: MIB });
            await node.count();
            const before = residentBytes(node.pids()[0]);
            await connect(others, node, dial);
            await sleep(2000);
            const kib = () => (residentBytes(node.pids()[0]) - before) / dial / 1024;
            row[`${stack}, idle KiB`] = kib();
            others.go();
            await until(async () => (await others.count()).taken >= dial * MIB, "a MiB by every connection");
            await sleep(2000);
            row[`${stack}, 1 MiB later`] = kib();
            const { down } = await node.count();
            if (down) throw new Error(`${down} of ${dial} connections of ${stack} were lost`);
            await Promise.all([node.close(), others.close()]);
        }
        rows.push(row);
    }
    report.rows("memory of the node by connection", rows);
    return rows;
}

/**
 * A node with many peers, of whom some are served all the time.
 *
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ minutes: number, peers: number, active: number, kbps: number, growthMax: number }} how
 */
export async function standing(report, { minutes, peers, active, kbps, growthMax }) {
    const node = end("links");
    const others = crowd({ dial: peers, ask: 8, rate: kbps * 1000, asking: active });
    const [pid] = node.pids();
    await connect(others, node, peers);
    others.go();
    // The first fill of buffers and of the allocator is no growth: a tenth of the time, ten seconds to two minutes.
    const settleMs = Math.min(120_000, Math.max(10_000, minutes * 6000));
    await sleep(settleMs);
    const samples = [];
    let last = { at: performance.now(), cpu: cpuSeconds([pid]), given: (await node.count()).given };
    const ends = performance.now() + minutes * 60_000;
    while (performance.now() < ends) {
        await sleep(10_000);
        const { given } = await node.count();
        const now = { at: performance.now(), cpu: cpuSeconds([pid]), given };
        const seconds = (now.at - last.at) / 1000;
        samples.push({
            rss: residentBytes(pid) / MIB,
            cpu: (100 * (now.cpu - last.cpu)) / seconds,
            mbps: (8 * (now.given - last.given)) / seconds / 1e6,
        });
        last = now;
        if (samples.length % 6 === 0) console.log(`${samples.length / 6} min: ${JSON.stringify(samples.at(-1))}`);
    }
    const { up, down } = await node.count();
    await Promise.all([node.close(), others.close()]);
    const first = median(samples.slice(0, 3).map((one) => one.rss));
    const later = median(samples.slice(-3).map((one) => one.rss));
    report.holds(`${peers} peers are connected to the end`, up === peers && down === 0, `${up} came, ${down} were lost`);
    report.figure("growth of the node's memory", 100 * (later / first - 1), { max: growthMax, unit: "%" });
    report.figure("given, of what the active peers ask for", (100 * median(samples.map((one) => one.mbps))) / ((active * kbps) / 1000), {
        unit: "%",
        digits: 1,
    });
    report.rows(`${peers} peers, ${active} active at ${kbps} kbit/s, ${minutes} min`, [
        ["memory, MiB", "rss"],
        ["CPU, % of a core", "cpu"],
        ["sent, Mbit/s", "mbps"],
    ].map(([what, key]) => {
        const values = samples.map((one) => one[key]);
        return { what, min: Math.min(...values), median: median(values), max: Math.max(...values) };
    }));
}

/** So many runs of each stack, in turns; the one that begins changes. */
async function pairs({ pairs: count }, run) {
    const runs = [];
    for (let number = 0; number < count; number += 1) {
        const one = {};
        for (const stack of number % 2 ? ["bare", "links"] : ["links", "bare"]) one[stack] = await run(stack);
        runs.push(one);
    }
    return runs;
}

/** Moves pieces from one end to the other for a while: bytes a second, and CPU seconds of each by GiB. Closes both. */
async function moved({ taker, giver, seconds, links = 1 }) {
    try {
        await connect(taker, giver, links);
        taker.go();
        await sleep(WARM_UP_MS);
        const look = async () => ({ ...(await taker.count()), takes: cpuSeconds(taker.pids()), gives: cpuSeconds(giver.pids()) });
        const from = await look();
        await sleep(seconds * 1000);
        const to = await look();
        const bytes = to.taken - from.taken;
        if (bytes === 0) throw new Error("nothing was moved");
        return {
            rate: bytes / (to.seconds - from.seconds),
            taker: ((to.takes - from.takes) / bytes) * GIB,
            giver: ((to.gives - from.gives) / bytes) * GIB,
        };
    } finally {
        await Promise.all([taker.close(), giver.close()]);
    }
}

function summary(runs) {
    return ["links", "bare"].map((stack) => {
        const of = (key) => runs.map((run) => run[stack][key]);
        const rates = of("rate").map((rate) => rate / 1e6);
        return {
            stack,
            "MB/s, median": median(rates),
            least: Math.min(...rates),
            most: Math.max(...rates),
            "giver CPU s/GiB": median(of("giver")),
            "taker CPU s/GiB": median(of("taker")),
        };
    });
}

async function until(test, what, limitMs = 300_000) {
    for (const ends = Date.now() + limitMs; !(await test()); await sleep(200)) {
        if (Date.now() > ends) throw new Error(`not ${what} within ${limitMs / 1000} s`);
    }
}

/** An address of this machine that browsers offer, too: they do not offer loopback where there is another. */
function address() {
    const all = Object.values(networkInterfaces()).flat();
    return all.find((one) => one.family === "IPv4" && !one.internal)?.address ?? "127.0.0.1";
}

/** The page of a browser's end. */
async function served() {
    const server = http.createServer((request, response) => {
        const page = pages(request.url);
        response.writeHead(page ? 200 : 404, { "content-type": page?.type ?? "text/plain" });
        response.end(page ? gunzipSync(page.body) : "");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { url: `http://127.0.0.1:${server.address().port}/bench/links.html`, close: () => server.close() };
}
