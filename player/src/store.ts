/** The media held: verified pieces only. The core alone decides what is dropped. */
import type { SegmentKey } from "./ops.js";

interface Held {
  pieces: (Uint8Array | undefined)[];
  bytes: number;
  /** Whether it was given to the player. */
  delivered: boolean;
}

/** Pieces by segment. */
export class Store {
  readonly #segments = new Map<SegmentKey, Held>();

  put(segment: SegmentKey, piece: number, bytes: Uint8Array): void {
    let held = this.#segments.get(segment);
    if (!held) this.#segments.set(segment, (held = { pieces: [], bytes: 0, delivered: false }));
    if (held.pieces[piece]) return;
    held.pieces[piece] = bytes;
    held.bytes += bytes.length;
  }

  piece(segment: SegmentKey, piece: number): Uint8Array | undefined {
    return this.#segments.get(segment)?.pieces[piece];
  }

  /** Bytes held of a segment. */
  bytes(segment: SegmentKey): number {
    return this.#segments.get(segment)?.bytes ?? 0;
  }

  /** A fresh copy of a whole segment, which the player may keep or transfer; `null` if a piece is missing. */
  copy(segment: SegmentKey, size: number): ArrayBuffer | null {
    const held = this.#segments.get(segment);
    if (!held || held.bytes !== size) return null;
    const whole = new Uint8Array(size);
    let at = 0;
    for (const piece of held.pieces) {
      if (!piece) return null;
      whole.set(piece, at);
      at += piece.length;
    }
    return whole.buffer;
  }

  /** Notes that the player has got it; says whether that is new. */
  markDelivered(segment: SegmentKey): boolean {
    const held = this.#segments.get(segment);
    if (!held || held.delivered) return false;
    return (held.delivered = true);
  }

  /** Drops a segment; says how many of its bytes the player never got. */
  drop(segment: SegmentKey): number {
    const held = this.#segments.get(segment);
    this.#segments.delete(segment);
    return held && !held.delivered ? held.bytes : 0;
  }

  /** Bytes of segments that the player has not got and for which `isHopeless` holds. */
  unused(isHopeless: (segment: SegmentKey) => boolean): number {
    let sum = 0;
    for (const [segment, held] of this.#segments) if (!held.delivered && isHopeless(segment)) sum += held.bytes;
    return sum;
  }
}
