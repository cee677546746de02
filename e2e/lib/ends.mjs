// Ends of links in processes of their own: the example `links` of crates/node, and pages; and what they cost, from outside.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { launch } from "./child.mjs";
import { root } from "./paths.mjs";

function program() {
    const path = process.env.BRAIDCAST_LINKS ?? join(root, "target/release/examples/links");
    if (!existsSync(path)) throw new Error("the example is not built: cargo build --release -p braidcast-node --example links");
    return path;
}

/**
 * One process with one end of every link.
 *
 * @param {string} stack "links", "bare" or "bare-unbatched"
 * @param {Record<string, number | string>} options of the example, without their dashes
 * @typedef {{ seconds: number, up: number, down: number, taken: number, given: number }} Count bytes, and the end's own clock
 */
export function end(stack, options = {}) {
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const counts = [];
    const descriptions = carrier();
    const child = launch(program(), [stack, ...args], {
        stdio: ["pipe", "pipe", "inherit"],
        onLine: (text) => {
            const line = JSON.parse(text);
            if (line.what === "count") counts.shift()(line);
            else descriptions.describe(line);
        },
    });
    const tell = (line) => child.stdin.write(`${JSON.stringify(line)}\n`);
    return {
        pids: () => [child.pid],
        ...descriptions,
        tell,
        /** @returns {Promise<Count>} */
        count: () => new Promise((resolve, reject) => {
            counts.push(resolve);
            child.ended.then(() => reject(new Error(`the end on ${stack} has ended`)));
            tell({ what: "count" });
        }),
        go: () => tell({ what: "go" }),
        close: () => child.end("SIGKILL"),
    };
}

/** The same in a page of Chromium, which answers one offer. */
export async function pageEnd(chromium, url, { message = 32 * 1024, buffer = 128 * 1024, ask = 16 } = {}) {
    const context = await chromium.createBrowserContext();
    const page = await context.newPage();
    await page.goto(url);
    await page.evaluate((how) => window.prepare(how), { message, buffer, ask });
    const descriptions = carrier();
    return {
        pids: () => family(chromium.process().pid),
        ...descriptions,
        async tell(line) {
            const sdp = await page.evaluate((offer) => window.answer(offer), line.sdp);
            descriptions.describe({ ...line, what: "answer", sdp });
        },
        count: () => page.evaluate(() => window.count()),
        go: () => page.evaluate(() => window.go()),
        close: () => context.close(),
    };
}

/** What an end describes before anybody carries it waits. */
function carrier() {
    const waiting = [];
    let carry = (line) => waiting.push(line);
    return {
        describe: (line) => carry(line),
        carryTo: (other) => {
            carry = (line) => other.tell(line);
            waiting.splice(0).forEach(carry);
        },
    };
}

/** Lets two ends find each other, and waits until so many links are open. */
export async function connect(a, b, links, limitMs = 120_000) {
    a.carryTo(b);
    b.carryTo(a);
    const until = Date.now() + limitMs;
    for (;;) {
        const [one, other] = [await a.count(), await b.count()];
        if (one.up >= links && other.up >= links) return;
        if (Date.now() > until) throw new Error(`${one.up} and ${other.up} of ${links} links are open after ${limitMs / 1000} s`);
        await sleep(50);
    }
}

/** A process and all that it has started, and they. */
export function family(pid) {
    const parents = new Map();
    for (const entry of readdirSync("/proc")) {
        if (!/^\d+$/.test(entry)) continue;
        const stat = proc(entry, "stat");
        if (stat) parents.set(Number(entry), Number(fields(stat)[1]));
    }
    const all = [pid];
    for (let at = 0; at < all.length; at += 1) {
        for (const [child, parent] of parents) if (parent === all[at]) all.push(child);
    }
    return all;
}

/** CPU seconds that these processes have used, with the system's work for them. */
export function cpuSeconds(pids) {
    let ticks = 0;
    for (const pid of pids) {
        const stat = proc(pid, "stat");
        if (stat) ticks += Number(fields(stat)[11]) + Number(fields(stat)[12]);
    }
    // USER_HZ is 100 on every Linux there is.
    return ticks / 100;
}

/** Resident bytes of a process. */
export function residentBytes(pid) {
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(proc(pid, "status") ?? "") ?? [];
    return Number(kib) * 1024;
}

function proc(pid, file) {
    try {
        return readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
        return null; // it has ended
    }
}

/** What follows the name in `/proc/PID/stat`, which may have blanks in it. */
function fields(stat) {
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
