/**
 * What a segment's load is reported as to the player's bandwidth estimator.
 *
 * A player that adapts its quality takes bytes by time as the bandwidth there is. Here that would be wrong in both
 * directions: a segment that is held already "loads" in no time, and one that may take its time (the buffer is full, a
 * neighbour is about to have it) loads as slowly as we choose. So each part of a load is charged what it says about the path:
 *
 * - bytes that came while the player was *hungry* (little buffer left): the time that passed, waiting included, because
 *   then nobody waits by choice;
 * - all other bytes, held before or waited for in comfort: what they would have taken at the throughput measured on the
 *   path, bytes by busy time, over peers and origin.
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
  /** Those of them that came while the player was hungry. */
  hungryBytes: number;
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
  const { bytes, hungryBytes, hungryMs, elapsedMs, pathBps, firstByteMs } = course;
  if (!pathBps) {
    const start = now - elapsedMs;
    return { start, first: Math.min(start + firstByteMs, now), end: now };
  }
  const inComfort = ((bytes - hungryBytes) * 8000) / pathBps;
  // A load all of whose time was hungry contains its own wait for the first byte; any other gets the usual one.
  const wait = hungryMs > 0 ? 0 : firstByteMs;
  const start = now - (wait + inComfort + hungryMs);
  return { start, first: Math.min(start + firstByteMs, now), end: now };
}
