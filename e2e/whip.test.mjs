// A page publishes camera and microphone by WebRTC, and another plays what comes: the sound at least, for Chromium as it is packaged may
// offer H.264 and have no encoder for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KEY, card, house, opened } from "./lib/broadcast.mjs";
import { browser, viewer } from "./lib/browser.mjs";

/** Runs in the page: offers camera and microphone with that key; gives the status and, where it is taken, the address of the publication. */
async function publish(key) {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180 } });
    const peer = new RTCPeerConnection();
    const h264 = RTCRtpSender.getCapabilities("video").codecs.filter(({ mimeType }) => /H264|rtx/i.test(mimeType));
    for (const track of media.getTracks()) {
        const line = peer.addTransceiver(track, { direction: "sendonly", streams: [media] });
        if (track.kind === "video") line.setCodecPreferences(h264);
    }
    await peer.setLocalDescription();
    await new Promise((resolve) => {
        const look = () => peer.iceGatheringState === "complete" && resolve();
        peer.addEventListener("icegatheringstatechange", look);
        look();
    });
    const headers = { "content-type": "application/sdp", authorization: `Bearer ${key}` };
    const answer = await fetch("/whip/live", { method: "POST", body: peer.localDescription.sdp, headers });
    const text = await answer.text();
    if (answer.ok) await peer.setRemoteDescription({ type: "answer", sdp: text });
    window.peer = peer;
    return { status: answer.status, place: answer.headers.get("location") };
}

test("a page with the stream's key publishes by WebRTC, and one without does not", { timeout: 120_000 }, async () => {
    const origin = await house({ ingest: (port) => `whip://127.0.0.1:${port}` });
    const chromium = await browser({ flags: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] });
    try {
        await opened(origin);
        const page = await chromium.newPage();
        // The pages of the origin themselves may not listen.
        await page.goto(`${origin.url}/api/v1/streams`);
        assert.equal((await page.evaluate(publish, "a-key-of-nobody")).status, 401);
        const { status, place } = await page.evaluate(publish, KEY);
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
