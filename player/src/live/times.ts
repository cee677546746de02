/**
 * When parts begin and end, read from heads that the core has taken. Playlists list only the youngest segments with their parts: which
 * parts an older one has is found by its time.
 */

/** Parts of one rendition that are remembered: a minute of quarter seconds. */
const PARTS_MAX = 512;
/** Times in heads and in playlists are rounded to milliseconds, each for itself. */
const ROUNDING_MS = 15;

interface Time {
  sequence: number;
  startMs: number;
  endMs: number;
}

/** What the origin's answers have told: see docs/spec/head.md. */
export class Times {
  readonly #of = new Map<number, Time[]>();

  /** Reads an answer that the core has taken: delegations and heads, each after its length. */
  read(answer: Uint8Array): void {
    const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
    for (let at = 0; at + 4 <= view.byteLength; ) {
      const end = at + 4 + view.getUint32(at, true);
      // "BCLH"; anything else is a delegation.
      if (end <= view.byteLength && view.getUint32(at + 4) === 0x42434c48) this.#readHead(view, at + 4, end);
      at = end;
    }
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

  #readHead(view: DataView, start: number, end: number): void {
    // Magic, version, signature, stream, epoch, number, two times, the head before.
    let at = start + 4 + 1 + 64 + 20 + 4 + 8 + 8 + 8 + 32;
    if (at >= end) return;
    at += 1 + 4 * view.getUint8(at);
    if (at + 2 > end) return;
    let left = view.getUint16(at, true);
    at += 2;
    for (; left > 0 && at + 19 <= end; left--) {
      const [rendition, sequence, startMs] = [view.getUint8(at), view.getUint32(at + 1, true), view.getUint32(at + 5, true)];
      this.#tell(rendition, { sequence, startMs, endMs: startMs + view.getUint32(at + 9, true) });
      at += 19 + 32 * view.getUint16(at + 17, true);
    }
  }

  #tell(rendition: number, time: Time): void {
    const times = this.#of.get(rendition) ?? [];
    if (time.sequence <= (times.at(-1)?.sequence ?? 0)) return;
    times.push(time);
    if (times.length > PARTS_MAX) times.shift();
    this.#of.set(rendition, times);
  }
}
