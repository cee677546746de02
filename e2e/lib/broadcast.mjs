// A live stream from a camera to viewers: the real `braidcast live`, an encoder that publishes to it, the proxy before it and a browser.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser } from "./browser.mjs";
import { camera } from "./camera.mjs";
import { launch } from "./child.mjs";
import { pages } from "./pages.mjs";
import { braidcast } from "./paths.mjs";
import { proxy } from "./proxy.mjs";
import { freePort, sleep } from "./serve.mjs";
import { Stage } from "./stage.mjs";

/** Three rungs, of pictures small enough for ten decoders on two cores. */
export const LADDER = "180:250k,270:600k,360:1200k";
export const KEY = "a-key-of-the-camera";
const PATIENCE_MS = 60_000;

/** `braidcast live` with one door, on ports that stay the same when it is started again; `ingest` says which on a port. */
export async function house({ ladder = LADDER, args = [], env = {}, ingest = (port) => `rtmp://127.0.0.1:${port}/live` } = {}) {
    const [port, door] = [await freePort(), await freePort()];
    const data = mkdtempSync(join(tmpdir(), "braidcast-live-"));
    const all = ["live", "--listen", `127.0.0.1:${port}`, "--ingest", ingest(door), "--key", KEY, "--data", data,
        "--ladder", ladder, "--preset", "ultrafast", "--audio-bitrate", "64k", ...args];
    const run = () => launch(braidcast(), all, { env: { ...process.env, ...env } });
    let child = run();
    return {
        url: `http://127.0.0.1:${port}`,
        to: `${ingest(door)}/${KEY}`,
        data,
        log: () => child.lines.join("\n"),
        get pid() {
            return child.pid;
        },
        kill: () => child.end("SIGKILL"),
        restart() {
            child = run();
        },
        async stop() {
            await child.end();
            rmSync(data, { recursive: true, force: true });
        },
    };
}

/** A stage with a live stream on it; see `stage`. `env`: of the origin and of what it starts; `address`: where viewers reach it. */
export async function broadcast({ ladder, bitsPerSecond, address, args, env } = {}) {
    const origin = await house({ ladder, args, env });
    const parts = { origin };
    try {
        parts.encoder = await publish(origin);
        parts.front = await proxy({ upstream: () => new URL(origin.url), bitsPerSecond, address, pages });
        parts.chromium = await browser();
        parts.key = (await (await fetch(`${origin.url}/api/v1/key`)).json()).key;
        parts.card = await card(origin);
        return new Broadcast(parts);
    } catch (error) {
        await new Broadcast(parts).close();
        throw error;
    }
}

/** Once it answers. */
export const opened = (origin) => until(origin, async () => (await fetch(`${origin.url}/healthz`)).ok);

/** Publishes as soon as the door is open. */
async function publish(origin) {
    await opened(origin);
    return camera({ to: origin.to });
}

/** The stream's card in the catalogue, once it can be played. */
export async function card(origin) {
    return until(origin, async () => {
        const [card] = await (await fetch(`${origin.url}/api/v1/streams`)).json();
        return card && (await fetch(`${origin.url}/s/${card.slug}/master.m3u8`)).ok && card;
    });
}

export async function until(origin, look) {
    for (const late = Date.now() + PATIENCE_MS; Date.now() < late; await sleep(100)) {
        const found = await look().catch(() => null);
        if (found) return found;
    }
    throw new Error(`no live stream after ${PATIENCE_MS / 1000} s:\n${origin.log()}`);
}

export class Broadcast extends Stage {
    /** The encoder is cut off, and back after `ms`. */
    async interrupt(ms) {
        await this.encoder.stop();
        await sleep(ms);
        this.encoder = await publish(this.origin);
    }

    /** The origin dies, and comes back after `ms` on the same data; the encoder connects anew. */
    async restart(ms) {
        await this.origin.kill();
        await this.encoder.stop();
        await sleep(ms);
        this.origin.restart();
        this.encoder = await publish(this.origin);
    }

    async close() {
        await this.encoder?.stop();
        await this.chromium?.close();
        await this.front?.close();
        await this.origin.stop();
    }
}
