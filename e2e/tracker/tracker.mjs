// Our tracker, as a process of its own on a free port.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { braidcast } from "../lib/paths.mjs";

/** Starts a tracker: its announce URL, and a way to stop it. */
export async function start() {
    const server = spawn(braidcast(), ["tracker", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = new Promise((resolve) => server.once("exit", resolve));
    const url = await Promise.race([
        new Promise((resolve) => {
            createInterface({ input: server.stdout }).on("line", (line) => {
                const [what, url] = line.split(/\s+/);
                if (what === "tracker") resolve(`${url}/announce`);
            });
        }),
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
