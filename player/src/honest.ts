/**
 * What a segment's load is reported as to the player's bandwidth estimator.
 *
 * A player that adapts its quality takes bytes by time as the bandwidth there is. Here that would be wrong in both
 * directions: a segment that is held already "loads" in no time, and one that may take its time (the buffer is full, a
 * neighbour is about to have it) loads as slowly as we choose. So each part of a load is charged what it says about the path:
 *
 * - bytes that came from the origin while the player was *hungry* (little buffer left): the time that passed, waiting
 *   included, because then nobody waits by choice. That is what the player would have seen by itself;
 * - bytes that came from peers meanwhile: the time that passed, but no less than they take on the path. A neighbour that
 *   has the lowest quality at hand gives it away in a moment; it says little about a higher one that it does not have;
 * - all other bytes, held before or waited for in comfort: what they take on the path.
 *
 * The *path* is the throughput over peers and origin, bytes by busy time, within bounds: see {@link pathOf}.
 *
 * The report ends now and begins that long ago. The player's own rules (give up a slow load, count its own processing) then
 * work on it as on any other load, and a load in comfort is never taken for a slow one.
 */

/** Seconds of buffer below which time counts as it passes. */
export const HUNGRY_BELOW_S = 10;

/** One load as it went. Times in milliseconds. */
export interface Course {
  /** Bytes that are there, from whatever time. */
  bytes: number;
  /** Those of them that came while the player was hungry, from the origin and from peers. */
  hungryOriginBytes: number;
  hungryPeerBytes: number;
  /** How long the load went on while the player was hungry. */
  hungryMs: number;
  /** How long the load has gone on altogether. */
  elapsedMs: number;
  /** Throughput of the path in bits a second; `null` while nothing is known. */
  pathBps: number | null;
  /** Time from a request to the first byte, as the origin last answered. */
  firstByteMs: number;
}

/** When the load began, brought its first byte and ended (or stands), on the clock of `performance.now()`. */
export interface Report {
  start: number;
  first: number;
  end: number;
}

/** The report on a load at the time `now`, finished or not. */
export function report(course: Course, now: number): Report {
  const { bytes, hungryOriginBytes, hungryPeerBytes, hungryMs, elapsedMs, pathBps, firstByteMs } = course;
  if (!pathBps) {
    const start = now - elapsedMs;
    return { start, first: Math.min(start + firstByteMs, now), end: now };
  }
  const onPath = (bytes: number) => (bytes * 8000) / pathBps;
  const inComfort = onPath(bytes - hungryOriginBytes - hungryPeerBytes);
  const hungry = Math.max(hungryMs, onPath(hungryPeerBytes));
  // A load all of whose time was hungry contains its own wait for the first byte; any other gets the usual one.
  const wait = hungryMs > 0 ? 0 : firstByteMs;
  const start = now - (wait + inComfort + hungry);
  return { start, first: Math.min(start + firstByteMs, now), end: now };
}

/** What is known of the path. */
export interface Measured {
  /** Bytes by busy time over peers and origin, bits a second; `null` while unknown. */
  bothBps: number | null;
  /** All bytes that this rests on. */
  bytes: number;
  /** What fetches from the origin ran at, bits a second, and how long ago the last one ended; `null` before the first. */
  origin: { bps: number; ageMs: number } | null;
  /** What the player has left, seconds. */
  bufferedS: number;
  /** What an offer that is counted on has to be taken for, bits a second; see `offer.ts`. */
  offerBps: number | null;
}

/** What a path is taken for before anything has come over it: what hls.js begins with, for a second. */
const PRIOR_BITS = 500_000;
const PRIOR_S = 1;
/** What the origin did longer ago than this is no longer to be counted on. */
const ORIGIN_LASTS_MS = 30_000;
/** How far neighbours may lift the path above the origin: for a hungry player, how much further for every so many seconds
 * of buffer above that, and in what time without the origin that doubles. */
const LIFT = 1.5;
const LIFT_EVERY_S = 10;
const LIFT_DOUBLES_MS = 20_000;

/**
 * The path as the player's choice of quality may count on it.
 *
 * - While it rests on few bytes it is held back: a burst of a tenth of a second is no promise.
 * - It is never less than what the origin alone did a moment ago: all of that is there as soon as it is needed, and no
 *   viewer is to be worse off than with the origin alone.
 * - It is not much more either. Neighbours give away what they hold in a moment, but the next quality up may be only at the
 *   origin, which would have to carry it. The more the player has left, and the longer the origin was not needed, the more
 *   is tried; if neighbours do have what is then asked for, it stays that way, and if not, the origin's own speed is
 *   known anew while there is buffer to live on.
 * - Where a neighbour offers a quality for all, it is enough for that.
 */
export function pathOf({ offerBps, ...measured }: Measured): number | null {
  const path = withoutOffer(measured);
  return offerBps === null ? path : Math.max(path ?? 0, offerBps);
}

function withoutOffer({ bothBps, bytes, origin, bufferedS }: Omit<Measured, "offerBps">): number | null {
  const bits = bytes * 8;
  const both = bothBps ? (bits + PRIOR_BITS) / (bits / bothBps + PRIOR_S) : null;
  if (!origin || !both) return both ?? origin?.bps ?? null;
  const lift = LIFT + Math.max(0, bufferedS - HUNGRY_BELOW_S) / LIFT_EVERY_S;
  const lifted = Math.min(both, origin.bps * lift * 2 ** (origin.ageMs / LIFT_DOUBLES_MS));
  return origin.ageMs < ORIGIN_LASTS_MS ? Math.max(lifted, origin.bps) : lifted;
}
