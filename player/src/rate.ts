/** What fetches from the origin ran at. */

/** No origin is taken to be faster: 100 Mbit/s. */
const MOST_BYTES_PER_MS = 12_500;
/** Busy time over which what the origin did is averaged. */
const SAMPLES_LAST_MS = 1000;
/** What is smaller says more about the delay than about the rate. */
const LEAST_BYTES = 32 * 1024;
/** But what takes longer than this is slow, however small. */
export const SLOW_MS = 1000;

/** An average over the last second of fetching. */
export class OriginRate {
  #average: { bps: number; weightMs: number; at: number } | null = null;
  /** Whether parts of a live stream are to be had, which are small: of those the time from the first byte on counts. */
  takesSmall = false;
  /** Time from the last request to its first byte. */
  firstByteMs = 50;

  /** The rate in bits a second, and how long ago a fetch last showed it; `null` before the first. */
  measured(): { bps: number; ageMs: number } | null {
    return this.#average && { bps: this.#average.bps, ageMs: performance.now() - this.#average.at };
  }

  /** A fetch has ended. Gives what it ran at in bits a second; `null` where that says nothing of the origin. */
  sample(bytes: number, ms: number, firstByteMs: number): number | null {
    if (firstByteMs > 0) this.firstByteMs = firstByteMs;
    const isSmall = bytes < LEAST_BYTES && ms < SLOW_MS;
    if (isSmall && !this.takesSmall) return null;
    // What comes out of the browser's cache comes faster than any path; and a moment says less than a second does.
    const took = Math.max(1, ms - (isSmall ? firstByteMs : firstByteMs / 2));
    const busyMs = Math.max(took, bytes / MOST_BYTES_PER_MS);
    const before = this.#average ?? { bps: 0, weightMs: 0 };
    const weightMs = before.weightMs + busyMs;
    const bps = (before.bps * before.weightMs + bytes * 8000) / weightMs;
    this.#average = { bps, weightMs: Math.min(weightMs, SAMPLES_LAST_MS), at: performance.now() };
    return busyMs > took ? null : (bytes * 8000) / busyMs;
  }

  /** A file that the browser has fetched by itself says something before the first segment does, if it came from the origin
   * that `base` is on. */
  sampleFile(url: URL, base: URL): number | null {
    const [entry] = performance.getEntriesByName(url.href, "resource") as PerformanceResourceTiming[];
    if (url.origin !== base.origin || !entry?.transferSize) return null; // from a cache: says nothing
    const { transferSize, requestStart, responseStart, responseEnd } = entry;
    return this.sample(transferSize, responseEnd - requestStart, responseStart - requestStart);
  }
}
