/** Segments from the origin, cut into pieces as they come. It verifies nothing: whoever takes the pieces does. */

/** What to fetch. */
export interface Wanted extends Manner {
  url: string;
  /** Bytes of the whole segment. */
  size: number;
  pieceLength: number;
  /** The first piece, and one past the last. */
  first: number;
  end: number;
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
  const { url, pieceLength, size, first, end } = wanted;
  const from = first * pieceLength;
  const to = Math.min(end * pieceLength, size);
  const isWhole = from === 0 && to === size;
  const range = isWhole ? null : `bytes=${from}-${to - 1}`;
  let skip: number | null = null;
  let piece = first;
  let buffer = new Uint8Array(Math.min(pieceLength, to - from));
  let filled = 0;
  let isForged = false;
  const take = (chunk: Uint8Array, status: number): boolean => {
    wanted.count(chunk.length);
    // An origin that knows no ranges sends everything: what lies before is passed over.
    skip ??= range && status === 200 ? from : 0;
    const passed = Math.min(skip, chunk.length);
    skip -= passed;
    let rest = chunk.subarray(passed);
    while (rest.length > 0) {
      if (piece === end) {
        isForged = isWhole; // longer than the segment is
        return false;
      }
      const part = rest.subarray(0, buffer.length - filled);
      buffer.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled < buffer.length) continue;
      if (!wanted.take(piece, buffer)) {
        isForged = true;
        return false;
      }
      piece += 1;
      buffer = new Uint8Array(Math.max(0, Math.min(pieceLength, to - piece * pieceLength)));
      filled = 0;
    }
    return true;
  };
  const begun = performance.now();
  try {
    const { status, firstByteMs } = await read(url, { ...wanted, range }, take);
    if (isForged || (isWhole && piece !== end)) return { kind: "forged" };
    if (piece !== end) return { kind: "failed", status };
    return { kind: "complete", firstByteMs, totalMs: performance.now() - begun };
  } catch (error) {
    return { kind: "failed", status: error instanceof OriginError ? error.status : 0 };
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

/** Fetches a file whole; one that is not `urgent` gives way to others. `progress` hears of what has come so far, and of how
 * much it will be where that is known. */
export async function fetchPlain(
  url: string,
  options: Manner & { signal?: AbortSignal | undefined; progress?: (loaded: number, total: number) => void },
): Promise<Plain> {
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  try {
    const { firstByteMs } = await read(url, options, (chunk, _status, total) => {
      chunks.push(chunk);
      loaded += chunk.length;
      options.progress?.(loaded, total);
      return true;
    });
    const bytes = new Uint8Array(loaded);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return { bytes, firstByteMs };
  } catch (error) {
    if (options.signal?.aborted) throw new DOMException("aborted", "AbortError");
    throw error;
  }
}

/** How a request is made. */
interface Manner {
  /** Whether to go past every cache on the way. */
  fresh: boolean;
  /** Whether the player waits for it: anything else gives way. */
  urgent: boolean;
}

/** One request: hands over what comes until that ends, or until `take` gives `false`. Fails with an {@link OriginError} when
 * the origin refuses, breaks off, or says nothing for too long. */
async function read(
  url: string,
  { fresh, urgent, range, signal }: Manner & { range?: string | null; signal?: AbortSignal | undefined },
  take: (chunk: Uint8Array, status: number, total: number) => boolean,
): Promise<{ status: number; firstByteMs: number }> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  let idle = setTimeout(abort, IDLE_MS);
  try {
    const begun = performance.now();
    const response = await fetch(url, {
      signal: controller.signal,
      cache: fresh ? "reload" : "default",
      priority: urgent ? "auto" : "low",
      ...(range ? { headers: { range } } : {}),
    } as RequestInit);
    const { status, ok, body, headers } = response;
    if (!ok || !body) throw new OriginError(status, url);
    const firstByteMs = performance.now() - begun;
    const total = Number(headers.get("content-length")) || 0;
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (!done) {
        clearTimeout(idle);
        idle = setTimeout(abort, IDLE_MS);
        if (take(value, status, total)) continue;
        abort();
      }
      return { status, firstByteMs };
    }
  } catch (error) {
    throw error instanceof OriginError ? error : new OriginError(0, url);
  } finally {
    clearTimeout(idle);
    signal?.removeEventListener("abort", abort);
  }
}
