// A site whose viewers get tokens from its own server: real Chromiums, the real program, and a page on another origin than the film's.

import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, viewer } from "./lib/browser.mjs";
import { clip } from "./lib/clip.mjs";
import { cache } from "./lib/paths.mjs";
import { serve } from "./lib/serve.mjs";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const key = createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }));
const part = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");

/** As in docs/guides/tokens.md. */
function token(stream, viewer, site) {
    const now = Math.floor(Date.now() / 1000);
    const jwk = { kty: "OKP", crv: "Ed25519", x: viewer };
    const claims = { stream, site, cnf: { jwk }, iat: now, exp: now + 300, jti: randomUUID() };
    const signed = `${part({ alg: "EdDSA", typ: "JWT", kid: "key-1" })}.${part(claims)}`;
    return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
}

let origin, site, chromium, film, address;
before(async () => {
    const data = cache("data", "tokens");
    const keys = join(data, "token-keys.json");
    writeFileSync(keys, JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "key-1", use: "sig", alg: "EdDSA" }] }));
    const films = [await clip({ seconds: 60 })];
    const args = ["--admission", "tokens", "--token-keys", keys];
    origin = await serve({ films, data, ladder: "270:350k", preset: "veryfast", args });
    [film] = await origin.streams();
    const page = (give) => `<!doctype html><meta charset="utf-8"><style>body { margin: 0 } braidcast-player { width: 320px; height: 180px }</style>
        <script src="${origin.url}/player/braidcast-player.js"></script>
        <braidcast-player autoplay muted></braidcast-player>
        <script type="module">
            import { useTokens } from "${origin.url}/player/braidcast-tokens.js";
            const player = (window.player = document.querySelector("braidcast-player"));
            ${give}
            player.src = "${origin.url}/s/${film.slug}/master.m3u8";
        </script>`;
    const pages = {
        "/tokens": page('useTokens(player, "/token");'),
        "/attribute": page('player.setAttribute("token-url", "/token");'),
        "/none": page(""),
        "/foreign": page('useTokens(player, "/foreign-token");'),
    };
    site = createServer(async (request, response) => {
        if (request.method === "POST") {
            const asked = JSON.parse((await request.toArray()).join(""));
            return response.end(token(request.url === "/token" ? film.slug : "another-film", asked.viewer, address));
        }
        response.setHeader("content-type", "text/html; charset=utf-8");
        response.end(pages[request.url] ?? "");
    });
    site.listen(0, "127.0.0.1");
    await once(site, "listening");
    address = `127.0.0.1:${site.address().port}`;
    chromium = await browser();
});
after(async () => {
    await chromium?.close();
    site?.close();
    await origin?.stop();
});

const open = (name, path) => viewer(chromium, { name, url: `http://${address}${path}` });
const playing = () => window.readProbe().position > 1;
const members = async () => (await (await fetch(`${origin.url}/api/v1/status`)).json()).tracker.members;

test("viewers whom their site's server gives tokens meet; all others play from the origin", { timeout: 180_000 }, async () => {
    const outside = [await open("none", "/none"), await open("foreign", "/foreign")];
    const giver = await open("giver", "/tokens");
    await giver.until(playing, "playing");
    const taker = await open("taker", "/attribute");
    await taker.until(() => window.player.engine.stats().bytesFromPeers > 0, "given anything by a peer");
    for (const one of outside) {
        await one.until(playing, "playing all the same");
        const stats = await one.stats();
        assert.deepEqual([stats.peersConnected, stats.bytesFromPeers, stats.bytesToPeers], [0, 0, 0], one.name);
        assert.ok(one.log.some((line) => line.includes("the tracker says")), `${one.name}: ${one.log.join("\n")}`);
    }
    assert.equal(await members(), 2);
    for (const one of [...outside, giver, taker]) await one.close();
});
