/**
 * What the player waits for, and how long of that it was hungry. Its invariant: every wish ends once, in a segment or in an
 * error.
 */
import { HUNGRY_BELOW_S, report, type Report } from "./honest.js";
import type { SegmentKey } from "./ops.js";
import { OriginError } from "./origin.js";

/** A load as the player's estimator should see it; times on the clock of `performance.now()`. */
export interface Progress extends Report {
  loaded: number;
  total: number;
}

/** What the player asked for, which may keep or transfer the bytes. */
export interface Loaded {
  bytes: ArrayBuffer;
  timing: Progress;
}

/** What wishes are granted from. */
export interface Source {
  /** Bytes that are there of a segment. */
  held(segment: SegmentKey): number;
  /** Bytes of the whole. */
  size(segment: SegmentKey): number;
  /** A fresh copy of a whole segment. */
  copy(segment: SegmentKey): ArrayBuffer | null;
  path(): { pathBps: number | null; firstByteMs: number };
  /** Nobody waits for the segment any more. */
  unwant(segment: SegmentKey): void;
}

interface Wish {
  /** What is wanted, in this order: one segment, or the parts of one. */
  segments: SegmentKey[];
  /** What has come of it. */
  came: Map<SegmentKey, ArrayBuffer>;
  resolve(loaded: Loaded): void;
  reject(error: unknown): void;
  onProgress: ((progress: Progress) => void) | undefined;
  startedAt: number;
  hungryMs: number;
  hungryOriginBytes: number;
  hungryPeerBytes: number;
  countedAt: number;
}

/** What a wish may take while the player is hungry, before the player is told. */
const PATIENCE_MS = 60_000;

/** All wishes of one player. */
export class Wishes {
  readonly #source: Source;
  readonly #wishes = new Map<SegmentKey, Wish[]>();
  #isHungry = true;

  constructor(source: Source) {
    this.#source = source;
  }

  has(segment: SegmentKey): boolean {
    return this.#wishes.has(segment);
  }

  /** A new wish: a segment, or several that are joined. */
  add(segments: SegmentKey[], signal?: AbortSignal, onProgress?: (progress: Progress) => void): Promise<Loaded> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      const now = performance.now();
      const nothing = { came: new Map(), hungryMs: 0, hungryOriginBytes: 0, hungryPeerBytes: 0 };
      const wish: Wish = { segments, resolve, reject, onProgress, startedAt: now, countedAt: now, ...nothing };
      for (const segment of segments) this.#wishes.set(segment, [...(this.#wishes.get(segment) ?? []), wish]);
      signal?.addEventListener("abort", () => this.#end(wish, aborted()), { once: true });
    });
  }

  /** How many seconds the player has left at its speed, and below how many it is hungry. What passed since the last look belongs
   * to what was known then. */
  look(bufferedS: number, hungryBelowS = HUNGRY_BELOW_S): void {
    this.#wishes.forEach((all) => all.forEach((wish) => this.#count(wish)));
    this.#isHungry = bufferedS < hungryBelowS;
  }

  /** Tells the player how its loads go, and gives up those it has waited for long enough. */
  tell(): void {
    for (const wish of new Set([...this.#wishes.values()].flat())) {
      wish.onProgress?.(this.#progress(wish));
      if (wish.hungryMs > PATIENCE_MS) this.#end(wish, new OriginError(0, "a segment"));
    }
  }

  /** Verified bytes of a segment have come. */
  stored(segment: SegmentKey, bytes: number, fromPeer: boolean): void {
    for (const wish of this.#wishes.get(segment) ?? []) {
      if (this.#isHungry) wish[fromPeer ? "hungryPeerBytes" : "hungryOriginBytes"] += bytes;
      wish.onProgress?.(this.#progress(wish));
    }
  }

  /** A segment is whole. */
  delivered(segment: SegmentKey): void {
    const all = this.#wishes.get(segment) ?? [];
    this.#wishes.delete(segment);
    for (const wish of all) {
      const bytes = this.#source.copy(segment);
      if (!bytes) {
        this.#end(wish, new Error("a segment was lost in the store"));
        continue;
      }
      wish.came.set(segment, bytes);
      if (wish.came.size === wish.segments.length) wish.resolve({ bytes: joined(wish), timing: this.#progress(wish) });
    }
  }

  /** A segment will not come. */
  failed(segment: SegmentKey, error: Error): void {
    for (const wish of this.#wishes.get(segment) ?? []) this.#end(wish, error);
  }

  /** None of what is wished for will come. */
  failAll(error: Error): void {
    for (const segment of [...this.#wishes.keys()]) this.failed(segment, error);
  }

  /** Nothing will come any more. */
  close(): void {
    for (const all of this.#wishes.values()) all.forEach(({ reject }) => reject(aborted()));
    this.#wishes.clear();
  }

  #end(wish: Wish, error: Error): void {
    for (const segment of wish.segments) {
      const all = this.#wishes.get(segment);
      if (!all?.includes(wish)) continue;
      const rest = all.filter((other) => other !== wish);
      if (rest.length) {
        this.#wishes.set(segment, rest);
      } else {
        this.#wishes.delete(segment);
        this.#source.unwant(segment);
      }
    }
    wish.reject(error);
  }

  #count(wish: Wish): void {
    const now = performance.now();
    if (this.#isHungry) wish.hungryMs += now - wish.countedAt;
    wish.countedAt = now;
  }

  #progress(wish: Wish): Progress {
    this.#count(wish);
    const now = performance.now();
    let [loaded, total] = [0, 0];
    for (const segment of wish.segments) {
      const came = wish.came.get(segment)?.byteLength;
      loaded += came ?? this.#source.held(segment);
      total += came ?? this.#source.size(segment);
    }
    const course = { ...wish, bytes: loaded, elapsedMs: now - wish.startedAt, ...this.#source.path() };
    return { ...report(course, now), loaded, total };
  }
}

function joined({ segments, came }: Wish): ArrayBuffer {
  const all = segments.map((segment) => came.get(segment) ?? new ArrayBuffer(0));
  if (all.length === 1 && all[0]) return all[0];
  const whole = new Uint8Array(all.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const bytes of all) {
    whole.set(new Uint8Array(bytes), at);
    at += bytes.byteLength;
  }
  return whole.buffer;
}

/** What an aborted load fails with. */
export const aborted = (): DOMException => new DOMException("aborted", "AbortError");
