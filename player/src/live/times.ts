/**
 * When parts begin and end and how they are cut, as heads have told that the core has taken. Playlists list only the youngest segments
 * with their parts: which parts an older one has is found by its time.
 */
import { renditionOf, sequenceOf, type SegmentKey } from "../ops.js";

/** Parts of one rendition that are remembered: a minute of quarter seconds. */
const PARTS_MAX = 512;
/** Times in heads and in playlists are rounded to milliseconds, each for itself. */
const ROUNDING_MS = 15;

/** Bits of {@link Time.cut}: see docs/spec/head.md. */
export const INDEPENDENT = 1;
export const ENDS_SEGMENT = 2;
export const IS_MARKED = 4;

/** What heads tell of one part. */
export interface Time {
  sequence: number;
  startMs: number;
  endMs: number;
  /** How it is cut, in bits. */
  cut: number;
}

/** What heads have told. */
export class Times {
  readonly #of = new Map<number, Time[]>();
  readonly #listeners = new Set<{ rendition: number; tell: () => void }>();

  /** A head tells of a part. */
  tell(part: SegmentKey, startMs: number, durationMs: number, cut: number): void {
    const [rendition, sequence] = [renditionOf(part), sequenceOf(part)];
    if (sequence <= this.last(rendition)) return;
    const times = this.#of.get(rendition) ?? [];
    times.push({ sequence, startMs, endMs: startMs + durationMs, cut });
    if (times.length > PARTS_MAX) times.shift();
    this.#of.set(rendition, times);
    for (const listener of [...this.#listeners]) if (listener.rendition === rendition) listener.tell();
  }

  /** Calls `tell` at each part of a rendition, until what is returned is called. */
  listen(rendition: number, tell: () => void): () => void {
    const listener = { rendition, tell };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last part of a rendition; 0 before any. */
  last(rendition: number): number {
    return this.#of.get(rendition)?.at(-1)?.sequence ?? 0;
  }

  /** The parts of a rendition after one. */
  after(rendition: number, sequence: number): Time[] {
    return (this.#of.get(rendition) ?? []).filter((time) => time.sequence > sequence);
  }

  /** Whether a segment of a rendition has ended after that time. */
  hasEnd(rendition: number, afterMs: number): boolean {
    const isLater = ({ endMs, cut }: Time) => Boolean(cut & ENDS_SEGMENT) && endMs > afterMs + ROUNDING_MS;
    return (this.#of.get(rendition) ?? []).some(isLater);
  }

  /** The parts between two times, if they fill all of it. */
  between(rendition: number, startMs: number, endMs: number): number[] | null {
    const isNear = (a: number | undefined, b: number) => a !== undefined && Math.abs(a - b) <= ROUNDING_MS;
    const within = (this.#of.get(rendition) ?? []).filter(
      (part) => part.startMs >= startMs - ROUNDING_MS && part.endMs <= endMs + ROUNDING_MS,
    );
    const follows = within.every(({ sequence, startMs }, i) => {
      const before = within[i - 1];
      return !before || (sequence === before.sequence + 1 && isNear(before.endMs, startMs));
    });
    const fills = isNear(within[0]?.startMs, startMs) && isNear(within.at(-1)?.endMs, endMs);
    return follows && fills ? within.map(({ sequence }) => sequence) : null;
  }
}
