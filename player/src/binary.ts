/** Trackers carry 20 bytes as a string of 20 characters, one per byte. */

/** The string for these bytes. */
export const binaryString = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** The bytes of such a string; `null` if it is none of exactly 20 characters up to U+00FF. */
export function binaryBytes(text: unknown): Uint8Array | null {
  if (typeof text !== "string" || text.length !== 20) return null;
  const bytes = new Uint8Array(20);
  for (let i = 0; i < 20; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return null;
    bytes[i] = code;
  }
  return bytes;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Random letters and digits. */
export function randomText(length: number): string {
  let text = "";
  while (text.length < length) {
    // 248 is the largest multiple of 62 in a byte: what lies above would favour the first letters.
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (byte < 248 && text.length < length) text += LETTERS[byte % 62];
    }
  }
  return text;
}
