/** Files that lie beside this script: the WASM modules, hls.js for the element, and what only live streams, or trackers that ask for tokens, need. */

declare const BRAIDCAST_SCRIPT_URL: string;

/** The address of such a file. */
export const assetUrl = (name: string): URL => new URL(name, BRAIDCAST_SCRIPT_URL);

/** See `live/index.ts`. */
export const liveModule = (): Promise<typeof import("./live/index.js")> => import(assetUrl("braidcast-live.js").href);

/** See `tokens.ts`. */
export const tokensModule = (): Promise<typeof import("./tokens.js")> => import(assetUrl("braidcast-tokens.js").href);
