// Starts and stops the real `braidcast watch`, `braidcast seed` and `braidcast edge`: viewers without a browser.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "./child.mjs";
import { braidcast } from "./paths.mjs";

/** Starts the program; `address(what)` resolves with the second word of the first line that begins so. */
function node(args) {
    const child = launch(braidcast(), args);
    return {
        pid: child.pid,
        address: (what) => child.said((line) => line.startsWith(what) && line.split(/\s+/)[1]),
        /** Ends it as ctrl-C does. */
        async stop() {
            await child.end();
            return child.lines;
        },
    };
}

/**
 * @param {{ url: string, key?: string, args?: string[] }} what `url`: of the film
 * @returns {Promise<{ hls: string, movie: string, moved: () => Promise<Moved>, stop: () => Promise<unknown>, pid: number }>}
 *   once players can ask
 * @typedef {{ fromPeers: number, fromOrigin: number, toPeers: number }} Moved in bytes
 */
export async function watch({ url, key, args = [] }) {
    const one = node(["watch", url, "--player", "none", ...(key ? ["--key", key] : []), ...args]);
    return {
        hls: await one.address("HLS"),
        movie: await one.address("MP4"),
        pid: one.pid,
        stop: one.stop,
        /** Ends it; what it moved until then. */
        async moved() {
            const line = (await one.stop()).findLast((line) => line.includes(" MB from viewers"));
            const [, peers, origin, others] = /([\d.]+) MB from viewers .*?([\d.]+) MB from the origin, ([\d.]+) MB to/.exec(line);
            return { fromPeers: peers * 1e6, fromOrigin: origin * 1e6, toPeers: others * 1e6 };
        },
    };
}

/**
 * @param {{ hls: string, tracker: string, args?: string[] }} what
 * @returns {Promise<{ full: Promise<unknown>, moved: () => Promise<Moved>, stop: () => Promise<unknown>, pid: number }>}
 */
export async function seed({ hls, tracker, args = [] }) {
    const folder = mkdtempSync(join(tmpdir(), "braidcast-seed-"));
    const one = node(["seed", "--hls", hls, "--tracker", tracker, "--cache", folder, ...args]);
    const stop = async () => {
        const lines = await one.stop();
        rmSync(folder, { recursive: true, force: true });
        return lines;
    };
    await one.address("seeding");
    return {
        full: one.address("full"),
        pid: one.pid,
        stop,
        /** Ends it; what it moved until then. */
        async moved() {
            const line = (await stop()).findLast((line) => line.includes("segments held"));
            const [, origin, others] = /held, ([\d.]+) MB from the origin, ([\d.]+) MB to/.exec(line);
            return { fromPeers: 0, fromOrigin: origin * 1e6, toPeers: others * 1e6 };
        },
    };
}

/**
 * @param {{ upstream: string, key?: string, args?: string[] }} what with an empty cache
 * @returns {Promise<{ film: string, moved: () => Promise<Moved & { toPlayers: number }>, stop: () => Promise<unknown>, pid: number }>}
 *   once its film is there
 */
export async function edge({ upstream, key, args = [] }) {
    const folder = mkdtempSync(join(tmpdir(), "braidcast-edge-"));
    const own = ["--cache", folder, "--listen", "127.0.0.1:0", ...(key ? ["--key", key] : [])];
    const one = node(["edge", "--upstream", upstream, ...own, ...args]);
    const stop = async () => {
        const lines = await one.stop();
        rmSync(folder, { recursive: true, force: true });
        return lines;
    };
    return {
        film: await one.address("film"),
        pid: one.pid,
        stop,
        /** Ends it; what it moved until then. */
        async moved() {
            const line = (await stop()).findLast((line) => line.includes(" MB to players"));
            const numbers = /([\d.]+) MB from the origin, ([\d.]+) MB from viewers, ([\d.]+) MB to viewers, ([\d.]+) MB to players/.exec(line);
            const [fromOrigin, fromPeers, toPeers, toPlayers] = numbers.slice(1).map((text) => Number(text) * 1e6);
            return { fromOrigin, fromPeers, toPeers, toPlayers };
        },
    };
}
