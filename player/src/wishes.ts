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

/** A segment for the player, which may keep or transfer the bytes. */
export interface Loaded {
  bytes: ArrayBuffer;
  timing: Progress;
}

/** What wishes are granted from. */
export interface Source {
  /** Bytes that are there of a segment, and those of the whole. */
  held(segment: SegmentKey): { loaded: number; total: number };
  /** A fresh copy of a whole segment. */
  copy(segment: SegmentKey): ArrayBuffer | null;
  path(): { pathBps: number | null; firstByteMs: number };
  /** Nobody waits for the segment any more. */
  unwant(segment: SegmentKey): void;
}

interface Wish {
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

  /** A new wish. */
  add(segment: SegmentKey, signal?: AbortSignal, onProgress?: (progress: Progress) => void): Promise<Loaded> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      const now = performance.now();
      const nothing = { hungryMs: 0, hungryOriginBytes: 0, hungryPeerBytes: 0 };
      const wish: Wish = { resolve, reject, onProgress, startedAt: now, countedAt: now, ...nothing };
      this.#wishes.set(segment, [...(this.#wishes.get(segment) ?? []), wish]);
      signal?.addEventListener("abort", () => this.#end(segment, wish, aborted()), { once: true });
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
    for (const [segment, all] of this.#wishes) {
      for (const wish of all) {
        wish.onProgress?.(this.#progress(segment, wish));
        if (wish.hungryMs > PATIENCE_MS) this.#end(segment, wish, new OriginError(0, "a segment"));
      }
    }
  }

  /** Verified bytes of a segment have come. */
  stored(segment: SegmentKey, bytes: number, fromPeer: boolean): void {
    for (const wish of this.#wishes.get(segment) ?? []) {
      if (this.#isHungry) wish[fromPeer ? "hungryPeerBytes" : "hungryOriginBytes"] += bytes;
      wish.onProgress?.(this.#progress(segment, wish));
    }
  }

  /** A segment is whole. */
  delivered(segment: SegmentKey): void {
    const all = this.#wishes.get(segment) ?? [];
    this.#wishes.delete(segment);
    for (const wish of all) {
      const bytes = this.#source.copy(segment);
      if (bytes) wish.resolve({ bytes, timing: this.#progress(segment, wish) });
      else wish.reject(new Error("a segment was lost in the store"));
    }
  }

  /** A segment will not come. */
  failed(segment: SegmentKey, error: Error): void {
    for (const wish of this.#wishes.get(segment) ?? []) this.#end(segment, wish, error);
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

  #end(segment: SegmentKey, wish: Wish, error: Error): void {
    const all = this.#wishes.get(segment);
    if (!all?.includes(wish)) return;
    const rest = all.filter((other) => other !== wish);
    if (rest.length) {
      this.#wishes.set(segment, rest);
    } else {
      this.#wishes.delete(segment);
      this.#source.unwant(segment);
    }
    wish.reject(error);
  }

  #count(wish: Wish): void {
    const now = performance.now();
    if (this.#isHungry) wish.hungryMs += now - wish.countedAt;
    wish.countedAt = now;
  }

  #progress(segment: SegmentKey, wish: Wish): Progress {
    this.#count(wish);
    const now = performance.now();
    const { loaded, total } = this.#source.held(segment);
    const course = { ...wish, bytes: loaded, elapsedMs: now - wish.startedAt, ...this.#source.path() };
    return { ...report(course, now), loaded, total };
  }
}

/** What an aborted load fails with. */
export const aborted = (): DOMException => new DOMException("aborted", "AbortError");
