// The tracker as the `bittorrent-tracker` client sees it: the one inside WebTorrent and most sites that use it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { register } from "node:module";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { start } from "./tracker.mjs";

register("./rtc-hooks.mjs", import.meta.url);
const { default: Client } = await import("bittorrent-tracker");

const options = { timeout: 120_000 };
let tracker;
let clients = [];
let sockets = 0;

before(async () => {
    tracker = await start();
}, options);
after(() => tracker.stop());
afterEach(async () => {
    await Promise.all(clients.map((client) => new Promise((resolve) => client.destroy(resolve))));
    clients = [];
});

/** A client with a socket of its own: the library shares one per announce URL, so the URLs differ. */
function client(infoHash, { peerId = randomBytes(20), socket = ++sockets } = {}) {
    // The port is asked for in Node, and not sent to a WebSocket tracker.
    const announce = [`${tracker.url}?socket=${socket}`];
    const made = new Client({ infoHash, peerId, announce, port: 6881, wrtc: {} });
    made.warnings = [];
    made.on("error", (error) => made.warnings.push(error.message));
    made.on("warning", (error) => made.warnings.push(error.message));
    clients.push(made);
    return made;
}

async function joined(infoHash, options) {
    const made = client(infoHash, options);
    made.start();
    const [update] = await once(made, "update");
    return [made, update];
}

/** What a scrape says of one swarm. */
async function scrape(asker, infoHash) {
    const heard = new Promise((resolve) => {
        const listen = (response) => {
            if (response.infoHash !== infoHash) return;
            asker.off("scrape", listen);
            resolve(response);
        };
        asker.on("scrape", listen);
    });
    asker.scrape({ infoHash: [infoHash] });
    const { complete, incomplete, downloaded } = await heard;
    return { complete, incomplete, downloaded };
}

/** Every byte value turns up in some hash, so that the escaping of all is tried. */
const hashes = Array.from({ length: 13 }, (_, n) =>
    Buffer.from(Array.from({ length: 20 }, (_, i) => (n * 20 + i) % 256)).toString("hex"),
);

test("the first reply has the counts and the interval", options, async () => {
    for (const infoHash of hashes) {
        const [first, update] = await joined(infoHash);
        assert.equal(update.infoHash, infoHash);
        assert.deepEqual([update.complete, update.incomplete, update.interval], [0, 1, 120]);
        assert.deepEqual(first.warnings, []);
    }
});

test("two clients swap an offer and an answer, and nothing in them changes", options, async () => {
    const infoHash = randomBytes(20).toString("hex");
    const [first] = await joined(infoHash);
    const second = client(infoHash);
    const met = Promise.all([once(first, "peer"), once(second, "peer")]);
    second.start();
    const [[answerer], [offerer]] = await met;
    if (!answerer.local) await once(answerer, "signal");
    if (!offerer.remote) await once(offerer, "connect");
    assert.deepEqual(answerer.remote, offerer.local);
    assert.deepEqual(offerer.remote, answerer.local);
    assert.equal(answerer.remote.type, "offer");
    assert.equal(answerer.id, Buffer.from(second._peerIdBinary, "latin1").toString("hex"));
    assert.equal(offerer.id, Buffer.from(first._peerIdBinary, "latin1").toString("hex"));
    await sleep(100);
    assert.deepEqual([first.warnings, second.warnings], [[], []]);
});

test("five offers find five different clients", options, async () => {
    const infoHash = randomBytes(20).toString("hex");
    const others = [];
    for (let n = 0; n < 7; n++) others.push((await joined(infoHash))[0]);
    await sleep(200);
    const offers = new Set();
    for (const [n, other] of others.entries()) other.on("peer", () => offers.add(n));
    const newcomer = client(infoHash);
    const answers = new Set();
    const all = new Promise((resolve) => {
        newcomer.on("peer", (peer) => {
            answers.add(peer.id);
            if (answers.size === 5) resolve();
        });
    });
    newcomer.start();
    await all;
    await sleep(200);
    assert.equal(offers.size, 5);
    assert.equal(answers.size, 5);
});

test("a scrape tells of seeders, of the finished, and of nobody", options, async () => {
    const infoHash = randomBytes(20).toString("hex");
    const [seeder] = await joined(infoHash);
    const [leecher] = await joined(infoHash);
    seeder.complete();
    await once(seeder, "update");
    assert.deepEqual(await scrape(leecher, infoHash), { complete: 1, incomplete: 1, downloaded: 1 });
    const nobody = randomBytes(20).toString("hex");
    assert.deepEqual(await scrape(leecher, nobody), { complete: 0, incomplete: 0, downloaded: 0 });
});

test("who stops or vanishes is gone, from every swarm of its socket", options, async () => {
    const [film, show] = [randomBytes(20).toString("hex"), randomBytes(20).toString("hex")];
    const [watcher] = await joined(film);
    // As a page with two videos: one socket, and a peer id for each.
    const [one] = await joined(film, { socket: "shared" });
    const [two] = await joined(show, { socket: "shared" });
    assert.equal((await scrape(watcher, film)).incomplete, 2);
    assert.equal((await scrape(watcher, show)).incomplete, 1);
    one.stop();
    await once(one, "update");
    assert.equal((await scrape(watcher, film)).incomplete, 1);
    assert.equal((await scrape(watcher, show)).incomplete, 1);
    one.start();
    await once(one, "update");
    assert.equal((await scrape(watcher, film)).incomplete, 2);
    // Both clients let go of the socket without a word, and it closes.
    await Promise.all([one, two].map((client) => new Promise((resolve) => client.destroy(resolve))));
    clients = clients.filter((client) => client !== one && client !== two);
    for (let tries = 0; ; tries++) {
        const left = [(await scrape(watcher, film)).incomplete, (await scrape(watcher, show)).incomplete];
        if (left[0] === 1 && left[1] === 0) break;
        assert.ok(tries < 20, `ghosts: ${left}`);
        await sleep(100);
    }
});

test("a peer id cannot be taken over, and the thief is told", options, async () => {
    const infoHash = randomBytes(20).toString("hex");
    const peerId = randomBytes(20);
    const [victim] = await joined(infoHash, { peerId });
    const thief = client(infoHash, { peerId });
    const warned = once(thief, "warning");
    thief.start();
    const [warning] = await warned;
    assert.match(warning.message, /belongs to another connection/);
    thief.stop();
    await once(thief, "warning");
    assert.equal((await scrape(victim, infoHash)).incomplete, 1);
    assert.deepEqual(victim.warnings, []);
});

test("what is no message is answered so that clients on the same socket do not mind", options, async () => {
    const [plain] = await joined(randomBytes(20).toString("hex"));
    const socket = plain._trackers[0].socket;
    const replied = once(socket, "data");
    socket.send("{broken");
    const [data] = await replied;
    assert.match(JSON.parse(Buffer.from(data).toString())["failure reason"], /not a JSON object/);
    plain.update();
    await once(plain, "update");
    assert.deepEqual(plain.warnings, []);
});

test("a tracker that is told to stop ends in order", options, async (t) => {
    const other = await start();
    t.after(() => other.stop());
    const made = new Client({
        infoHash: randomBytes(20),
        peerId: randomBytes(20),
        announce: [other.url],
        port: 6881,
        wrtc: {},
    });
    t.after(() => made.destroy());
    made.on("warning", () => {});
    made.start();
    await once(made, "update");
    assert.equal(await other.stop(), 143);
});
