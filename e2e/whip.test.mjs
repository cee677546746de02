// A page publishes camera and microphone by WebRTC, and another plays what comes: the sound at least, for Chromium as it is packaged may
// offer H.264 and have no encoder for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KEY, card, house, opened } from "./lib/broadcast.mjs";
import { browser, viewer } from "./lib/browser.mjs";
import { publish } from "./lib/whip.mjs";

test("a page with the stream's key publishes by WebRTC, and one without does not", { timeout: 120_000 }, async () => {
    const origin = await house({ ingest: (port) => `whip://127.0.0.1:${port}` });
    const chromium = await browser({ flags: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] });
    try {
        await opened(origin);
        const page = await chromium.newPage();
        // The pages of the origin themselves may not listen.
        await page.goto(`${origin.url}/api/v1/streams`);
        assert.equal((await page.evaluate(publish, "a-key-of-nobody", "live")).status, 401);
        const { status, place } = await page.evaluate(publish, KEY, "live");
        assert.equal(status, 201);
        const { slug } = await card(origin);
        const watching = await viewer(chromium, { name: "w", url: `${origin.url}/watch/${slug}` });
        await watching.until(() => window.probe.playedMs > 3000, "playing");
        assert.equal(await page.evaluate(async (place, key) => (await fetch(place, { method: "DELETE", headers: { authorization: `Bearer ${key}` } })).status, place, KEY), 200);
    } finally {
        await chromium.close();
        await origin.stop();
    }
});
