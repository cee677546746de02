/** Segments from the origin, cut into pieces as they come. It verifies nothing: whoever takes the pieces does. */

/** What to fetch. */
export interface Wanted {
  url: string;
  /** Bytes of the whole segment. */
  size: number;
  pieceLength: number;
  /** The first piece, and one past the last. */
  first: number;
  end: number;
  /** Whether to go past every cache on the way. */
  fresh: boolean;
  /** Whether the player waits for it. */
  urgent: boolean;
  signal: AbortSignal;
  /** Takes a piece; `false` ends the fetch, because it is not what it should be. */
  take(piece: number, bytes: Uint8Array<ArrayBuffer>): boolean;
  /** Bytes that have come, whatever becomes of them. */
  count(bytes: number): void;
}

/** How a fetch ended. */
export type Outcome =
  | { kind: "complete"; firstByteMs: number; totalMs: number }
  /** `take` has refused a piece, or the length is wrong. */
  | { kind: "forged" }
  /** The origin did not answer, or not well; `status` is 0 without an answer. */
  | { kind: "failed"; status: number };

/** Nothing for this long and a fetch is given up. */
const IDLE_MS = 8000;

/** Fetches pieces. Never throws. */
export async function fetchPieces(wanted: Wanted): Promise<Outcome> {
  const { pieceLength, size, first, end, signal } = wanted;
  const from = first * pieceLength;
  const to = Math.min(end * pieceLength, size);
  const isWhole = from === 0 && to === size;
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  let idle = setTimeout(abort, IDLE_MS);
  let status = 0;
  try {
    const begun = performance.now();
    const response = await fetch(wanted.url, {
      signal: controller.signal,
      cache: wanted.fresh ? "reload" : "default",
      priority: wanted.urgent ? "auto" : "low",
      ...(isWhole ? {} : { headers: { range: `bytes=${from}-${to - 1}` } }),
    } as RequestInit);
    status = response.status;
    if (!response.ok || !response.body) return { kind: "failed", status };
    const firstByteMs = performance.now() - begun;
    // An origin that knows no ranges sends everything: what lies before is passed over.
    let skip = !isWhole && status === 200 ? from : 0;
    let piece = first;
    let buffer = new Uint8Array(Math.min(pieceLength, to - from));
    let filled = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(idle);
      idle = setTimeout(abort, IDLE_MS);
      wanted.count(value.length);
      let chunk = value;
      while (chunk.length > 0) {
        if (skip > 0) {
          const passed = Math.min(skip, chunk.length);
          skip -= passed;
          chunk = chunk.subarray(passed);
          continue;
        }
        if (piece === end) {
          if (isWhole) return { kind: "forged" }; // longer than the segment is
          controller.abort();
          return { kind: "complete", firstByteMs, totalMs: performance.now() - begun };
        }
        const part = chunk.subarray(0, buffer.length - filled);
        buffer.set(part, filled);
        filled += part.length;
        chunk = chunk.subarray(part.length);
        if (filled === buffer.length) {
          if (!wanted.take(piece, buffer)) {
            controller.abort();
            return { kind: "forged" };
          }
          piece += 1;
          buffer = new Uint8Array(Math.max(0, Math.min(pieceLength, to - piece * pieceLength)));
          filled = 0;
        }
      }
    }
    if (piece !== end) return isWhole ? { kind: "forged" } : { kind: "failed", status };
    return { kind: "complete", firstByteMs, totalMs: performance.now() - begun };
  } catch {
    return { kind: "failed", status: status >= 400 ? status : 0 };
  } finally {
    clearTimeout(idle);
    signal.removeEventListener("abort", abort);
  }
}

/** A file of any length, as the player asked for it. */
export interface Plain {
  bytes: Uint8Array<ArrayBuffer>;
  firstByteMs: number;
}

/** The origin's refusal, or silence. */
export class OriginError extends Error {
  /** HTTP status; 0 without an answer. */
  readonly status: number;

  constructor(status: number, url: string) {
    super(status ? `the origin answered ${status} for ${url}` : `the origin did not answer for ${url}`);
    this.status = status;
  }
}

/** The origin gave other bytes than the publisher's, twice. */
export class ForgedError extends Error {
  constructor(url: string) {
    super(`${url} is not what the publisher signed`);
  }
}

/** Fetches a file whole; one that is not `urgent` gives way to others. `progress` hears of what has come so far, and of how much it will be where that is known. */
export async function fetchPlain(
  url: string,
  options: {
    fresh: boolean;
    urgent: boolean;
    signal?: AbortSignal | undefined;
    progress?: (loaded: number, total: number) => void;
  },
): Promise<Plain> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener("abort", abort);
  let idle = setTimeout(abort, IDLE_MS);
  let status = 0;
  try {
    const begun = performance.now();
    const response = await fetch(url, {
      signal: controller.signal,
      cache: options.fresh ? "reload" : "default",
      priority: options.urgent ? "auto" : "low",
    } as RequestInit);
    status = response.status;
    if (!response.ok || !response.body) throw new OriginError(status, url);
    const firstByteMs = performance.now() - begun;
    const total = Number(response.headers.get("content-length")) || 0;
    const chunks: Uint8Array[] = [];
    let loaded = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(idle);
      idle = setTimeout(abort, IDLE_MS);
      chunks.push(value);
      loaded += value.length;
      options.progress?.(loaded, total);
    }
    const bytes = new Uint8Array(loaded);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return { bytes, firstByteMs };
  } catch (error) {
    if (options.signal?.aborted) throw new DOMException("aborted", "AbortError");
    throw error instanceof OriginError ? error : new OriginError(0, url);
  } finally {
    clearTimeout(idle);
    options.signal?.removeEventListener("abort", abort);
  }
}
