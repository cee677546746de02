/** Files that lie beside this script: the WASM modules, hls.js for the element, and what only live streams need. */

declare const BRAIDCAST_SCRIPT_URL: string;

/** The address of such a file. */
export const assetUrl = (name: string): URL => new URL(name, BRAIDCAST_SCRIPT_URL);

/** See `live/index.ts`. */
export const liveModule = (): Promise<typeof import("./live/index.js")> => import(assetUrl("braidcast-live.js").href);
