// Where things are: the repository, its cache, and the programs the tests drive.

import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A folder under `.cache` (or `$BRAIDCAST_CACHE`), made when missing. Nothing in there is committed. */
export function cache(...names) {
    const dir = join(process.env.BRAIDCAST_CACHE ?? join(root, ".cache"), ...names);
    mkdirSync(dir, { recursive: true });
    return dir;
}

/** The `braidcast` program: `$BRAIDCAST_BIN`, else the release build, else the debug build. */
export function braidcast() {
    const found = [
        process.env.BRAIDCAST_BIN,
        join(root, "target/release/braidcast"),
        join(root, "target/debug/braidcast"),
    ].find((path) => path && existsSync(path));
    if (!found) throw new Error("the braidcast program is not built: run `make build`");
    return found;
}

/** A Chromium: `$CHROMIUM`, else the first usual place that has one. */
export function chromium() {
    const found = [
        process.env.CHROMIUM,
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ].find((path) => path && existsSync(path));
    if (!found) throw new Error("no Chromium found: run `make setup`, or set CHROMIUM to its path");
    return found;
}
