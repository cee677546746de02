// The demonstration, from the program to the summary, and what is left when it is broken off.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { clip } from "./lib/clip.mjs";
import { braidcast, root } from "./lib/paths.mjs";
import { freePort, sleep } from "./lib/serve.mjs";

async function demo(...options) {
    const film = await clip({ seconds: 20 });
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(process.execPath, [join(root, "scripts/demo.mjs"), "--video", film, ...options], {
        env: { ...process.env, BRAIDCAST_BIN: braidcast(), LISTEN: address },
        stdio: ["ignore", "pipe", "pipe"],
    });
    const said = { text: "" };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said.text += text));
    return { child, said, address };
}

test("the demonstration plays a film to viewers and sums up", { timeout: 180_000 }, async () => {
    const { child, said } = await demo("--viewers", "3");
    const [code] = await once(child, "exit");
    assert.equal(code, 0, said.text);
    assert.match(said.text, /Watch it yourself: +http:\/\/127\.0\.0\.1:\d+\/watch\//);
    assert.match(said.text, /Summary\n +viewers +3, 3 saw the film to its end/);
    assert.match(said.text, /offload [1-9]\d* %/);
});

test("ctrl-C ends the demonstration and everything that it started", { timeout: 180_000 }, async () => {
    const { child, said, address } = await demo("--viewers", "2", "--keep");
    const until = Date.now() + 120_000;
    while (!said.text.includes("2 of 2 viewers are in") && Date.now() < until) await sleep(200);
    assert.match(said.text, /2 of 2 viewers are in/);
    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    assert.equal(code, 130, said.text);
    await assert.rejects(fetch(`http://${address}/healthz`), "the service is gone");
});
