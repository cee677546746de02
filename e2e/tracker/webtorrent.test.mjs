// The real WebTorrent in real browsers: one page seeds, another finds it through our tracker and downloads.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { root } from "../lib/paths.mjs";
import { browser } from "../lib/browser.mjs";
import { start } from "./tracker.mjs";

const options = { timeout: 180_000 };
const BYTES = 700_000;

let tracker;
let site;
let chromium;

before(async () => {
    tracker = await start();
    const script = await readFile(`${root}/e2e/node_modules/webtorrent/dist/webtorrent.min.js`);
    const page = `<!doctype html><title>WebTorrent</title><link rel="icon" href="data:,"><script type="module">
        import WebTorrent from "/webtorrent.js";
        window.client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } }, dht: false, lsd: false });
        window.client.on("error", (error) => console.error(error.message));
    </script>`;
    site = createServer((request, response) => {
        const known = { "/": ["text/html", page], "/webtorrent.js": ["text/javascript", script] }[request.url];
        response.writeHead(known ? 200 : 404, { "content-type": known?.[0] ?? "text/plain" }).end(known?.[1]);
    }).listen(0, "127.0.0.1");
    await once(site, "listening");
    chromium = await browser();
}, options);

after(async () => {
    await chromium?.close();
    site?.close();
    await tracker?.stop();
});

/** A page with a WebTorrent client, in a browser profile of its own. */
async function opened() {
    const page = await (await chromium.createBrowserContext()).newPage();
    page.on("pageerror", (error) => console.error(`page: ${error.message}`));
    page.on("console", (message) => {
        if (message.type() === "error") console.error(`page: ${message.text()}`);
    });
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    await page.waitForFunction(() => window.client);
    return page;
}

/** Runs in a page: bytes that are not all the same, and their digest. */
const seed = async (bytes, url) => {
    const data = new Uint8Array(bytes);
    for (let i = 0; i < bytes; i++) data[i] = (i * 2654435761) >>> 24;
    const blob = new File([data], "blob.bin");
    const torrent = await new Promise((resolve) => window.client.seed(blob, { announce: [url] }, resolve));
    torrent.on("warning", (warning) => console.error(String(warning)));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    return { magnet: torrent.magnetURI, digest: [...digest] };
};

const download = async (magnet) => {
    const torrent = window.client.add(magnet);
    torrent.on("warning", (warning) => console.error(String(warning)));
    await new Promise((resolve) => torrent.once("done", resolve));
    const data = await torrent.files[0].arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    return { digest: [...digest], bytes: data.byteLength, peers: torrent.numPeers };
};

test("WebTorrent pages find each other and a blob arrives whole, then passes on", options, async () => {
    const [seeder, first, second] = await Promise.all([opened(), opened(), opened()]);
    const { magnet, digest } = await seeder.evaluate(seed, BYTES, tracker.url);
    // In a cluster everybody comes to another tracker.
    const here = () => magnet.replace(/tr=[^&]+/, `tr=${encodeURIComponent(tracker.url)}`);
    const got = await first.evaluate(download, here());
    assert.deepEqual([got.bytes, got.digest], [BYTES, digest]);
    assert.ok(got.peers >= 1);
    // The seeder's page closes without a word: who comes later still finds the one that has it all.
    await seeder.close();
    const later = await second.evaluate(download, here());
    assert.deepEqual([later.bytes, later.digest], [BYTES, digest]);
});
