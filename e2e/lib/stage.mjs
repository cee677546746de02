// A film, its origin, the proxy before it and a browser: what every scenario plays on.

import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { browser, viewer } from "./browser.mjs";
import { clip } from "./clip.mjs";
import { pages } from "./pages.mjs";
import { cache } from "./paths.mjs";
import { proxy } from "./proxy.mjs";
import { serve, sleep } from "./serve.mjs";

/** Three rungs, all within a home's uplink. */
export const LADDER = "270:350k,360:750k,540:1600k";

/**
 * @param {{ seconds: number, ladder?: string, preset?: string, bitsPerSecond?: number, film?: string, log?: (line: string) => void }} what
 */
export async function stage({ seconds, ladder = LADDER, preset = "veryfast", bitsPerSecond, film, log = () => {} }) {
    const source = film ?? (await clip({ seconds }));
    // The ladder is part of the name: another one is another package.
    const name = `${basename(source, ".mp4")}-${ladder.replaceAll(/[^\w]+/g, "_")}-${preset}`;
    const { origin, data, card } = await unlocked(name, { films: [source], ladder, preset, onLine: log });
    let front = null;
    let chromium = null;
    try {
        front = await proxy({ upstream: () => new URL(origin.url), bitsPerSecond, pages });
        chromium = await browser();
        const key = (await (await fetch(`${origin.url}/api/v1/key`)).json()).key;
        return new Stage({ origin, front, chromium, card, key, data });
    } catch (error) {
        await chromium?.close();
        await front?.close();
        await origin.stop();
        throw error;
    }
}

/** Serves from a folder that no other run is using, so that scenarios can run side by side. */
async function unlocked(name, what) {
    for (let number = 1; ; number += 1) {
        const data = cache("data", number === 1 ? name : `${name}-${number}`);
        const origin = await serve({ ...what, data });
        try {
            const [card] = await origin.streams();
            return { origin, data, card };
        } catch (error) {
            await origin.stop();
            if (number === 8 || !/in use by another/.test(error.message)) throw error;
        }
    }
}

export class Stage {
    constructor(parts) {
        Object.assign(this, parts);
    }

    /** Address of a path, through the proxy. */
    at(path) {
        return `${this.front.url}${path}`;
    }

    /** The page a viewer opens: "plain" is hls.js alone, "braidcast" the same hls.js with the engine. */
    page(mode, attributes = {}) {
        const src = this.at(`/s/${this.card.slug}/master.m3u8`);
        if (mode === "watch") return this.at(`/watch/${this.card.slug}`);
        if (mode === "plain") return this.at(`/bench/plain.html?${new URLSearchParams({ src, ...attributes })}`);
        const query = new URLSearchParams({ src, key: this.key, ...attributes });
        return this.at(`/bench/braidcast.html?${query}`);
    }

    /** Opens a viewer; see `viewer` of browser.mjs. */
    open(name, mode, { attributes, ...options } = {}) {
        return viewer(this.chromium, { name, url: this.page(mode, attributes), ...options });
    }

    /** SHA-256 of every file of the package, by name, to compare with what players were given. */
    async hashes() {
        const { createHash } = await import("node:crypto");
        const folder = join(this.data, "streams", this.card.slug);
        const hashes = new Map();
        for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
            if (!entry.isFile()) continue;
            const path = join(entry.parentPath ?? entry.path, entry.name);
            hashes.set(createHash("sha256").update(readFileSync(path)).digest("hex"), path.slice(folder.length + 1));
        }
        return hashes;
    }

    async close() {
        await this.chromium.close();
        await this.front.close();
        await this.origin.stop();
    }
}

/**
 * Sends viewers in, one after the other, and waits until all have seen the film.
 *
 * @param {Stage} on
 * @param {{ mode: string, viewers: number, gapMs: number, limitMs: number, during?: (viewers: any[]) => Promise<void>,
 *     options?: (number: number) => object, prefix?: string }} how `during` runs once all are in; with a `limitMs` of 0 the
 *     showing ends with it
 */
export async function showing(on, { mode, viewers, gapMs, limitMs, during, options = () => ({}), prefix = "v" }) {
    on.front.reset();
    const all = [];
    try {
        for (let number = 0; number < viewers; number += 1) {
            const started = Date.now();
            all.push(await on.open(`${prefix}${number}`, mode, options(number)));
            await sleep(Math.max(0, gapMs - (Date.now() - started)));
        }
        await during?.(all);
        const until = Date.now() + limitMs;
        while (Date.now() < until) {
            const seen = await Promise.all(all.map((one) => one.probe()));
            if (seen.every((one) => one.ended)) break;
            await sleep(500);
        }
        return await Promise.all(all.map((one) => result(on, one)));
    } finally {
        for (const one of all) await one.close().catch(() => {});
        // Links say goodbye and sockets close before the next showing.
        await sleep(500);
    }
}

/** One viewer's figures. */
export async function result(on, one) {
    const [probe, stats] = [await one.probe(), await one.stats()];
    const origin = on.front.counts.byViewer[one.name] ?? { media: 0, other: 0, tracker: 0 };
    const { bandwidth, top } = rungs(on.card);
    const played = Object.entries(probe.heights).filter(([height]) => Number(height) > 0);
    const total = played.reduce((all, [, ms]) => all + ms, 0);
    return {
        name: one.name,
        ended: probe.ended,
        startupMs: probe.startupMs,
        stalls: probe.stalls,
        stalledS: probe.stalledMs / 1000,
        stuckS: probe.stuckMs / 1000,
        playedS: probe.playedMs / 1000,
        meanBps: total ? played.reduce((all, [height, ms]) => all + (bandwidth.get(Number(height)) ?? top) * ms, 0) / total : 0,
        appendedBytes: probe.appendedBytes,
        appended: probe.appended,
        frames: probe.frames,
        originMedia: origin.media,
        originOther: origin.other + origin.tracker,
        errors: probe.errors,
        stats,
        log: one.log,
        page: one.page,
    };
}

function rungs(card) {
    const videos = card.renditions.filter((rendition) => rendition.kind === "video");
    return {
        bandwidth: new Map(videos.map((rendition) => [rendition.height, rendition.bandwidth])),
        top: Math.max(...videos.map((rendition) => rendition.bandwidth)),
    };
}

/** The rows that every scenario shows: what each viewer saw and where its bytes came from. */
export function viewerRows(results) {
    const mb = (bytes) => (bytes === undefined || bytes === null ? "-" : (bytes / 1e6).toFixed(2));
    return results.map((one) => ({
        viewer: one.name,
        "start-up ms": Math.round(one.startupMs ?? -1),
        stalls: one.stalls,
        "stalled s": one.stalledS.toFixed(2),
        "stuck s": one.stuckS.toFixed(1),
        "played s": one.playedS.toFixed(1),
        "mean kbit/s": Math.round(one.meanBps / 1000),
        "watched MB": mb(one.appendedBytes),
        "origin MB": mb(one.originMedia),
        "peers MB": mb(one.stats?.bytesFromPeers),
        "to peers MB": mb(one.stats?.bytesToPeers),
        "wasted MB": mb(one.stats?.bytesWasted),
        refused: one.stats?.refused ?? "-",
        peers: one.stats?.peersConnected ?? "-",
        "engine ms/s": one.stats ? (one.stats.engineCpuMs / Math.max(1, one.playedS)).toFixed(1) : "-",
    }));
}
