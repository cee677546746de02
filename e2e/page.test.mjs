// The watch page and the catalogue, used as a viewer uses them.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { viewer } from "./lib/browser.mjs";
import { cache } from "./lib/paths.mjs";
import { sleep } from "./lib/serve.mjs";
import { stage } from "./lib/stage.mjs";

const SECONDS = 60;
let on;
before(async () => {
    on = await stage({ seconds: SECONDS });
});
after(async () => {
    await on?.close();
});

const playing = () => window.readProbe().position > 1;
const quiet = (one) => one.log.filter((line) => !line.includes("favicon") && /pageerror|refused|violates|error:/i.test(line));

test("the watch page shows film, figures and peers, and its switches do what they say", { timeout: 120_000 }, async () => {
    const size = { width: 1280, height: 800 };
    const giver = await on.open("giver", "watch", { size });
    await giver.until(playing, "playing");
    const taker = await on.open("taker", "watch", { size });
    await taker.until(playing, "playing");
    await taker.until(() => window.braidcast.stats().bytesFromPeers > 0, "given anything by a peer");

    await sleep(2000);
    await taker.page.screenshot({ path: join(cache("shots"), "watch.png") });
    const text = await taker.page.evaluate(() => document.body.innerText);
    assert.match(text, new RegExp(on.card.title.slice(0, 8), "i"), "the film's title is on the page");

    // The first has nearly the whole film; now it is to give nothing.
    await giver.page.evaluate(() => document.querySelector("#share").click());
    await sleep(1000);
    const given = (await giver.stats()).bytesToPeers;
    assert.ok(given > 0, "it gave while it shared");
    await taker.page.evaluate(() => (document.querySelector("braidcast-player").video.currentTime = 45));
    await taker.until(() => window.readProbe().position > 46, "playing after a seek");
    assert.equal((await giver.stats()).bytesToPeers, given, "nothing leaves a second after the switch is off");

    await taker.page.select("#quality", "0");
    await taker.until(() => document.querySelector("braidcast-player").video.videoHeight === 270, "at the lowest quality");
    assert.equal((await taker.probe()).errors.length, 0);
    assert.deepEqual([...quiet(giver), ...quiet(taker)], []);
    await giver.close();
    await taker.close();
});

test("the catalogue lists the film and leads to it", { timeout: 60_000 }, async () => {
    const one = await viewer(on.chromium, { name: "visitor", url: on.at("/"), size: { width: 1280, height: 800 } });
    const link = `a[href*="/watch/${on.card.slug}"]`;
    await one.page.waitForSelector(link, { timeout: 10_000 });
    await one.page.screenshot({ path: join(cache("shots"), "catalogue.png") });
    await Promise.all([one.page.waitForNavigation(), one.page.click(link)]);
    await one.until(playing, "playing");
    assert.deepEqual(quiet(one), []);
    await one.close();
});

test("an index that another key signed is refused: origin only, said so, and the film plays", { timeout: 60_000 }, async () => {
    const stranger = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x;
    const attributes = { key: stranger };
    const [first, second] = [await on.open("k1", "braidcast", { attributes }), await on.open("k2", "braidcast", { attributes })];
    for (const one of [first, second]) {
        await one.until(playing, "playing");
        const stats = await one.stats();
        assert.equal(stats.state, "origin-only");
        assert.ok(stats.reason, "a reason is given");
        assert.equal(stats.peersConnected, 0);
        assert.equal(stats.bytesFromPeers + stats.bytesToPeers, 0);
        await one.close();
    }
});
