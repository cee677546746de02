/**
 * The quality that a neighbour who keeps for others offers to get for all, or has chosen for all, and whether the player's choice counts
 * on it.
 *
 * An offer is taken only while there is enough to play; a choice for all, who share a thin line, at once. Either is let go when the
 * buffer runs low in spite of it: then it was no good one, and the next has to wait, each time twice as long. So whoever lies about it
 * costs some seconds of a buffer, never the picture.
 */

/** Seconds of buffer from which an offer is taken, and below which it is let go. */
const TAKEN_ABOVE_S = 8;
export const LET_GO_BELOW_S = 3;
/** From here on it has proved good. */
const PROVED_ABOVE_S = 20;
const REST_MS = 10_000;

/** What the offer's quality takes, times this, is what an estimate must say for a player to choose it: hls.js goes up to what takes
 * seven tenths of its estimate. */
const SUFFICES = 1.5;

/** One viewer's dealings with offers. */
export class Offer {
  /** The estimate, in bits a second, at which the player chooses what is offered; `null` while nothing is counted on. */
  bps: number | null = null;
  #restMs = REST_MS;
  #restUntil = -Infinity;
  /** Whether there was enough to play since something is counted on. */
  #hadEnough = false;

  /** What is offered now takes `bandwidth` bits a second (`null`: nothing is) and is chosen for all or not, and the player has so much
   * left at its speed. Says whether from now on something is counted on that was not before. */
  look(bandwidth: number | null, isForAll: boolean, bufferedS: number, now: number): boolean {
    const before = this.bps;
    if (before !== null && this.#hadEnough && bufferedS < LET_GO_BELOW_S) {
      this.#restUntil = now + this.#restMs;
      this.#restMs *= 2;
    }
    if (before !== null && bufferedS > PROVED_ABOVE_S) this.#restMs = REST_MS;
    this.#hadEnough = bufferedS >= TAKEN_ABOVE_S || (before !== null && this.#hadEnough);
    const enough = isForAll || bufferedS >= (before === null ? TAKEN_ABOVE_S : LET_GO_BELOW_S);
    this.bps = bandwidth !== null && enough && now >= this.#restUntil ? bandwidth * SUFFICES : null;
    return this.bps !== null && this.bps !== before;
  }
}
