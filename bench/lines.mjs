// Viewers of a live stream, each behind a line of its own: `node bench/lines.mjs`. Needs namespaces, as docs/guides/netlab.md says.

import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { broadcast } from "../e2e/lib/broadcast.mjs";
import { browser, viewer } from "../e2e/lib/browser.mjs";
import { options } from "../e2e/lib/options.mjs";
import { cache, chromium, root } from "../e2e/lib/paths.mjs";
import { Report } from "../e2e/lib/report.mjs";
import { live } from "../e2e/scenarios/live.mjs";

const SERVER = "198.18.0.1";
const NETLAB = join(root, "target/debug/netlab");
/** Set for the part that runs on the server's host. */
const INSIDE = "BRAIDCAST_BENCH_INSIDE";

const how = options(
    "A camera, three qualities, and viewers in network namespaces: node bench/lines.mjs [option value]...",
    { viewers: 8, seconds: 60, gapMs: 2000, upKbps: 5000, downKbps: 20_000, delayMs: 15, lossPercent: 0.5, latency: "low", ladder: "144:150k,216:300k,288:600k" },
);

/** The network: a server on a fast line, and each viewer on its own. */
function plan() {
    const line = `up_kbps = ${how.upKbps}, down_kbps = ${how.downKbps}, delay_ms = ${how.delayMs}, loss = ${how.lossPercent / 100}`;
    const viewers = Array.from({ length: how.viewers }, (_, at) => `[host.v${at}]\naddress = "198.18.1.${at + 1}"\naccess = { ${line} }\n`);
    return [`seed = 1\n[host.server]\naddress = "${SERVER}"\n`, ...viewers].join("\n");
}

/** A Chromium that runs on a host. */
function on(host, flags) {
    const path = join(cache("lines"), `chromium-${host}`);
    writeFileSync(path, `#!/bin/sh\nexec "${NETLAB}" on ${host} "${chromium()}" "$@"\n`);
    chmodSync(path, 0o755);
    return browser({ executablePath: path, flags });
}

/** A stage that each viewer reaches over its own line. */
async function open(what) {
    const stage = await broadcast({ ...what, address: SERVER });
    // Pages of a plain address may do what those of `localhost` may.
    const flags = [`--unsafely-treat-insecure-origin-as-secure=${stage.front.url}`];
    const browsers = [];
    const close = stage.close.bind(stage);
    stage.open = async (name, mode, { attributes, ...rest } = {}) => {
        const at = Number(name.slice(1));
        browsers[at] ??= await on(`v${at}`, flags);
        return viewer(browsers[at], { name, url: stage.page(mode, attributes), ...rest });
    };
    stage.close = async () => {
        for (const one of browsers) await one?.close();
        await close();
    };
    return stage;
}

if (process.env[INSIDE]) {
    const report = new Report(`live, ${how.viewers} lines`);
    await live(report, { ...how, open });
    report.close();
} else {
    spawnSync("cargo", ["build", "--quiet", "--package", "braidcast-netlab"], { cwd: root, stdio: "inherit" });
    const [path, counted] = [join(cache("lines"), "plan.toml"), join(cache("lines"), "counted.json")];
    writeFileSync(path, plan());
    const inside = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
    const ran = spawnSync(NETLAB, ["run", path, "--on", "server", "--report", counted, "--", ...inside], {
        stdio: "inherit",
        env: { ...process.env, [INSIDE]: "1" },
    });
    process.exitCode = ran.status ?? 1;
}
