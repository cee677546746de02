/**
 * What the core wants done, read from the words and bytes it leaves behind. The list of operations and their arguments is
 * that of `op` in the Rust crate `braidcast-web`, and only there.
 */

/** A segment as one number: usable as a key. */
export type SegmentKey = number;

/** Packs a segment's rendition number and sequence. */
export const segmentKey = (rendition: number, sequence: number): SegmentKey => rendition * 0x1_0000_0000 + sequence;
/** The rendition's number in the index. */
export const renditionOf = (key: SegmentKey): number => Math.floor(key / 0x1_0000_0000);
/** The media sequence number. */
export const sequenceOf = (key: SegmentKey): number => key % 0x1_0000_0000;

/** Why the core closes a link, by its number on the wire between the core and the page. */
export const HANGUPS = ["duplicate", "stranger", "forger", "unresponsive", "full"] as const;
/** See {@link HANGUPS}. */
export type Hangup = (typeof HANGUPS)[number];

/** What neighbours carry to and from others, by its number on the wire between the core and the page. */
export const SIGNALS = ["offer", "answer", "nobody"] as const;
/** See {@link SIGNALS}. */
export type SignalKind = (typeof SIGNALS)[number];

/** Carries out what the core wants, as the Rust side's `op` describes it. Nothing here may wait. */
export interface Carrier {
  send(link: number, bytes: Uint8Array): void;
  sendPiece(link: number, head: Uint8Array, segment: SegmentKey, piece: number): void;
  dial(peer: Uint8Array): void;
  hangup(link: number, why: Hangup): void;
  fetch(segment: SegmentKey, first: number, end: number): void;
  cancelFetch(segment: SegmentKey): void;
  deliver(segment: SegmentKey): void;
  evict(segment: SegmentKey): void;
  announce(want: number): void;
  /** `offset` is `null` for a piece held back from the origin fetch of that segment. */
  keep(segment: SegmentKey, piece: number, offset: number | null, length: number): void;
  /** `link` is `null` for the origin. */
  refused(link: number | null, segment: SegmentKey, piece: number, length: number): void;
  dropped(link: number | null, length: number): void;
  /** `bytes`: 20 of the peer in whose name it comes, 20 of the offer's id, and the description. */
  signal(kind: SignalKind, bytes: Uint8Array): void;
  /** Of a live stream: the heads that follow on this one are wanted of the origin. */
  askHeads(epoch: number, number: number): void;
  /** Of a live stream: a head has told of a part. */
  told(part: SegmentKey, startMs: number, durationMs: number, cut: number): void;
  /** Of a live stream: a piece that came before its head; `bytes` are only lent. */
  storeEarly(segment: SegmentKey, piece: number, bytes: Uint8Array): void;
}

const NONE = 0xffff_ffff;

/** Reads a batch and carries it out, in order. `words` and `bytes` must not change meanwhile. */
export function carryOut(words: Uint32Array, bytes: Uint8Array, to: Carrier): void {
  let at = 0;
  const word = (): number => {
    const value = words[at++];
    if (value === undefined) throw new RangeError("a batch of the core is cut short");
    return value;
  };
  const segment = (): SegmentKey => segmentKey(word(), word());
  const slice = (): Uint8Array => {
    const offset = word();
    return bytes.subarray(offset, offset + word());
  };
  const link = (): number | null => {
    const value = word();
    return value === NONE ? null : value;
  };
  while (at < words.length) {
    const op = word();
    switch (op) {
      case 1:
        to.send(word(), slice());
        break;
      case 2:
        to.sendPiece(word(), slice(), segment(), word());
        break;
      case 3:
        to.dial(slice());
        break;
      case 4:
        to.hangup(word(), HANGUPS[word()] ?? "stranger");
        break;
      case 5:
        to.fetch(segment(), word(), word());
        break;
      case 6:
        to.cancelFetch(segment());
        break;
      case 7:
        to.deliver(segment());
        break;
      case 8:
        to.evict(segment());
        break;
      case 9:
        to.announce(word());
        break;
      case 10: {
        const [key, piece] = [segment(), word()];
        const offset = word();
        to.keep(key, piece, offset === NONE ? null : offset, word());
        break;
      }
      case 11:
        to.refused(link(), segment(), word(), word());
        break;
      case 12:
        to.dropped(link(), word());
        break;
      case 13:
        to.signal(SIGNALS[word()] ?? "nobody", slice());
        break;
      case 14:
        to.askHeads(word(), word());
        break;
      case 15:
        to.storeEarly(segment(), word(), slice());
        break;
      case 16:
        to.told(segment(), word(), word(), word());
        break;
      default:
        throw new RangeError(`the core and the page are of different versions (operation ${op})`);
    }
  }
}
