// The tests' own pages and the players they load, for the proxy to serve under /bench/.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { root } from "./paths.mjs";

const PML = "e2e/node_modules/p2p-media-loader-hlsjs";
const PML_2_2 = "e2e/node_modules/pml-2-2";
const FILES = {
    "/bench/plain.html": ["text/html; charset=utf-8", "e2e/pages/plain.html"],
    "/bench/braidcast.html": ["text/html; charset=utf-8", "e2e/pages/braidcast.html"],
    "/bench/shaka.html": ["text/html; charset=utf-8", "e2e/pages/shaka.html"],
    "/bench/dash.html": ["text/html; charset=utf-8", "e2e/pages/dash.html"],
    "/bench/links.html": ["text/html; charset=utf-8", "e2e/pages/links.html"],
    "/bench/pml.html": ["text/html; charset=utf-8", "e2e/pages/pml.html"],
    "/bench/pml/2.3.1/hlsjs.js": ["text/javascript", `${PML}/dist/p2p-media-loader-hlsjs.es.min.js`],
    "/bench/pml/2.3.1/core.js": ["text/javascript", "e2e/node_modules/p2p-media-loader-core/dist/p2p-media-loader-core.es.min.js"],
    "/bench/pml/2.2.2/hlsjs.js": ["text/javascript", `${PML_2_2}/dist/p2p-media-loader-hlsjs.es.min.js`],
    "/bench/pml/2.2.2/core.js": [
        "text/javascript",
        `${PML_2_2}/node_modules/p2p-media-loader-core/dist/p2p-media-loader-core.es.min.js`,
    ],
    "/bench/hls.min.js": ["text/javascript", "e2e/node_modules/hls.js/dist/hls.min.js"],
    "/bench/shaka.js": ["text/javascript", "e2e/node_modules/shaka-player/dist/shaka-player.compiled.js"],
    "/bench/dash.js": ["text/javascript", "e2e/node_modules/dashjs/dist/modern/umd/dash.all.min.js"],
};
const loaded = new Map();

/** The page at `path`, or null. Everything is gzipped, as a real server would. */
export function pages(path) {
    const known = FILES[path];
    if (!known) return null;
    if (!loaded.has(path)) {
        const [type, file] = known;
        if (!existsSync(join(root, file))) throw new Error(`${file} is missing: run scripts/setup.sh test`);
        loaded.set(path, { type, body: gzipSync(readFileSync(join(root, file))), gzip: true });
    }
    return loaded.get(path);
}
