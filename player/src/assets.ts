/** Files that lie beside this script: the WASM module, and hls.js for the element. */

declare const BRAIDCAST_SCRIPT_URL: string;

/** The address of such a file. */
export const assetUrl = (name: string): URL => new URL(name, BRAIDCAST_SCRIPT_URL);
