// A wall clock for one program and what it starts, by libfaketime: it can be set while the program runs. What is monotonic stays so.

import { existsSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where packages put it. */
function library() {
    const folders = ["/usr/lib", ...readdirSync("/usr/lib").filter((name) => name.endsWith("-linux-gnu")).map((name) => join("/usr/lib", name))];
    const paths = [process.env.LIBFAKETIME, ...folders.map((folder) => join(folder, "faketime/libfaketimeMT.so.1"))];
    return paths.find((path) => path && existsSync(path)) ?? null;
}

/**
 * @returns {{ env: Record<string, string>, set: (offS: number) => void } | null} `set`: so many seconds off the machine's clock, within a
 *   second; null where libfaketime is not installed
 */
export function falseClock() {
    const path = library();
    if (!path) return null;
    const file = join(mkdtempSync(join(tmpdir(), "braidcast-clock-")), "off");
    const set = (offS) => writeFileSync(file, `${offS < 0 ? "-" : "+"}${Math.abs(offS)}s\n`);
    set(0);
    const env = {
        LD_PRELOAD: path,
        FAKETIME_TIMESTAMP_FILE: file,
        // Seconds until a change of the file is seen.
        FAKETIME_CACHE_DURATION: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
        DONT_FAKE_MONOTONIC: "1",
    };
    return { env, set };
}
