// Our tracker, as a process of its own on a free port.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../lib/paths.mjs";

/** Builds the example server, unless `$BRAIDCAST_EXAMPLES` has it, and returns the path of its program. */
async function build() {
    if (process.env.BRAIDCAST_EXAMPLES) return join(process.env.BRAIDCAST_EXAMPLES, "tracker");
    const cargo = spawn(
        "cargo",
        ["build", "--quiet", "--package", "braidcast-tracker", "--example", "tracker", "--message-format", "json"],
        { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
    );
    const exited = new Promise((resolve) => cargo.once("exit", resolve));
    let program = null;
    for await (const line of createInterface({ input: cargo.stdout })) {
        const message = JSON.parse(line);
        if (message.reason === "compiler-artifact" && message.target.kind.includes("example")) {
            program = message.executable;
        }
    }
    if ((await exited) !== 0 || !program) throw new Error("the tracker does not build");
    return program;
}

/** Starts a tracker: its announce URL, and a way to stop it. */
export async function start() {
    const server = spawn(await build(), [], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = new Promise((resolve) => server.once("exit", resolve));
    const [url] = await Promise.race([
        new Promise((resolve) => createInterface({ input: server.stdout }).once("line", (line) => resolve([line]))),
        exited.then((code) => {
            throw new Error(`the tracker ended with ${code}`);
        }),
    ]);
    return {
        url,
        /** Asks it to stop and returns its exit code. */
        stop() {
            server.kill("SIGTERM");
            return exited;
        },
    };
}
