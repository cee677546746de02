/**
 * Which parts the segments of a live stream are made of, as playlists say. They are not signed, but parts are: whoever joins other
 * parts than the publisher's gets none, and whoever joins them in another order gets what no decoder takes.
 */

/** Segments remembered: far more than are listed with their parts. */
const SEGMENTS_MAX = 256;

/** What playlists have said so far. */
export class Parts {
  readonly #of = new Map<string, number[]>();

  /** A complete segment of a rendition is these parts, in this order. */
  learn(id: string, sequence: number, parts: number[]): void {
    const name = `${id}/${sequence}`;
    this.#of.delete(name);
    this.#of.set(name, parts);
    for (const oldest of this.#of.keys()) {
      if (this.#of.size <= SEGMENTS_MAX) break;
      this.#of.delete(oldest);
    }
  }

  /** The parts of a segment; `null` if no playlist has said. */
  of(id: string, sequence: number): number[] | null {
    return this.#of.get(`${id}/${sequence}`) ?? null;
  }
}
