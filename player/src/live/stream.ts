/**
 * What the engine knows of a live stream beyond what its core does. Its invariant: nothing is shared that no head has told of, and
 * under a key nothing is played that is younger than what heads have told of, unless it was said that the origin is alone.
 */
import type { PlaylistLoaderContext } from "hls.js";
import { segmentKey, type SegmentKey } from "../ops.js";
import { fetchPlain } from "../origin.js";
import type { Swarm } from "../swarm.js";
import { Heads, type Taker } from "./heads.js";
import { Parts } from "./parts.js";
import { Playlists, type PlainLoader, type PlaylistRequest } from "./playlists.js";
import { Times } from "./times.js";

/** What a part waits for the head that tells of it, before it is fetched all the same. */
const HEAD_PATIENCE_MS = 500;
/** What one that was fetched waits for it, and how long under a publisher's key. */
const VERIFY_PATIENCE_MS = 100;
const KEYED_PATIENCE_MS = 4000;
/** So many loads in a row of which no head tells are borne. */
const UNTOLD_MAX = 4;
/** Segments whose times are remembered until heads tell of their parts: those of nine renditions that are shared, nearly. */
const SPANS_MAX = 512;
/** Where the time of birth is in a description: see docs/spec/head.md. */
const BORN_AT = 4 + 1 + 64 + 32;

/** A file of the stream; `sequence` is `null` for an init segment. */
export interface Target {
  id: string;
  sequence: number | null;
  isPart: boolean;
}

/** A complete segment, as a playlist has it. */
export interface Segment {
  url: string;
  /** Addresses of its parts; empty where they are not listed. */
  parts: string[];
  /** When it starts, milliseconds since 1970 UTC; `null` where that is not known. */
  startMs: number | null;
  lastsMs: number;
}

/** What became of bytes that came straight from the origin. */
export type Verdict =
  /** Checked, and shared from now on. */
  | "good"
  | "forged"
  /** Older than heads go back: taken at the origin's word. */
  | "unchecked"
  /** No head tells of it, though there was time. */
  | "untold"
  /** The same again and again: heads do not come. */
  | "silent";

/** One live stream. */
export class LiveStream {
  /** What zero of the timeline is on the calendar, milliseconds since 1970 UTC. */
  readonly bornMs: number;
  readonly #base: URL;
  readonly #parts = new Parts();
  /** When segments play whose parts no head had told of yet, by name: what a player begins with is listed before any head has come. */
  readonly #spans = new Map<string, [startMs: number, endMs: number]>();
  readonly #times = new Times();
  readonly #playlists: Playlists;
  readonly #heads: Heads;
  readonly #swarm: () => Swarm | null;
  readonly #superseded: () => void;
  #untold = 0;
  #delivered = 0;
  #fromPeers = 0;
  /** Parts of which the origin has brought something. */
  readonly #fromOrigin = new Set<SegmentKey>();

  /** `description` is one that the core has taken or will; `first` are heads that are on their way; `superseded` hears that another stream
   * goes on under this one's name. */
  constructor(
    base: URL,
    description: Uint8Array,
    first: Promise<Uint8Array>,
    swarm: () => Swarm | null,
    hopeless: (why: string) => void,
    superseded: () => void,
  ) {
    this.bornMs = bornIn(description);
    this.#playlists = new Playlists(this.#times, this.bornMs);
    this.#base = base;
    this.#swarm = swarm;
    this.#superseded = superseded;
    const again = () => void this.#lookForAnother();
    const taker: Taker = { take: (bytes) => swarm()?.heads(bytes) ?? null, again, hopeless };
    this.#heads = new Heads(base, taker, () => swarm()?.query ?? "", first);
  }

  /** Parts that the player was given, those of them that came from other viewers whole, and playlists that heads answered for. */
  get counts(): { parts: number; partsFromPeers: number; playlistsSpared: number } {
    return { parts: this.#delivered, partsFromPeers: this.#fromPeers, playlistsSpared: this.#playlists.spared };
  }

  /** See {@link Heads.ask}. */
  askHeads(epoch: number, number: number): void {
    this.#heads.ask(epoch, number);
  }

  /** A head tells of a part: see `op::TOLD` in the Rust crate `braidcast-web`. */
  told(part: SegmentKey, startMs: number, durationMs: number, cut: number): void {
    this.#times.tell(part, startMs, durationMs, cut);
  }

  /** Does what `plain` would do for hls.js with a playlist. */
  loadPlaylist(plain: PlainLoader, context: PlaylistLoaderContext, ...rest: PlaylistRequest): void {
    const { href, pathname } = new URL(context.url, this.#base);
    const isCaptions = (context.type as string) === "subtitleTrack" && href.startsWith(this.#base.href);
    if (isCaptions) return this.#playlists.loadCaptions(plain, context, ...rest);
    const isOurs = (id: string) => pathname.startsWith(`${this.#base.pathname}${id}/`);
    const rendition = this.#swarm()?.film.renditions.findIndex(({ id }) => isOurs(id)) ?? -1;
    this.#playlists.load(plain, rendition, context, ...rest);
  }

  /** A playlist tells of a complete segment; `locate` says what addresses are, `place` where a rendition is in the description. */
  learn(
    { url, parts, startMs, lastsMs }: Segment,
    locate: (url: string) => Target | null,
    place: (target: Target) => number,
  ): void {
    const segment = locate(url);
    if (!segment?.sequence || segment.isPart || this.#parts.of(segment.id, segment.sequence)) return;
    const listed = parts.map(locate).map((part) => (part?.isPart && part.id === segment.id ? (part.sequence ?? 0) : 0));
    const fromMs = (startMs ?? NaN) - this.bornMs;
    const numbers = listed.length ? listed : (this.#times.between(place(segment), fromMs, fromMs + lastsMs) ?? []);
    const name = nameOf(segment);
    this.#spans.delete(name);
    if (!numbers.length) this.#spans.set(name, [fromMs, fromMs + lastsMs]);
    if (this.#spans.size > SPANS_MAX) this.#spans.delete([...this.#spans.keys()][0] ?? "");
    if (numbers.length && numbers.every((number) => number > 0)) this.#parts.learn(segment.id, segment.sequence, numbers);
  }

  /** The parts that a file of this rendition is; none where that is not known. */
  keysOf(rendition: number, target: Target): SegmentKey[] {
    const { id, sequence, isPart } = target;
    if (rendition < 0 || sequence === null) return [];
    const span = this.#spans.get(nameOf(target));
    const late = () => (span && this.#times.between(rendition, ...span)) ?? [];
    const parts = isPart ? [sequence] : (this.#parts.of(id, sequence) ?? late());
    return parts.map((part) => segmentKey(rendition, part));
  }

  /** Whether heads have told of all these parts. A playlist may know of one a little sooner: that is waited for. */
  async areKnown(parts: SegmentKey[]): Promise<boolean> {
    return parts.length > 0 && ((await this.#swarm()?.know(parts, HEAD_PATIENCE_MS)) ?? false);
  }

  /** Checks what came straight from the origin as these parts, joined, and shares it if it is good. */
  async judge(parts: SegmentKey[], bytes: Uint8Array<ArrayBuffer>, isKeyed: boolean): Promise<Verdict> {
    const swarm = this.#swarm();
    const known = swarm && parts.length > 0 && (await swarm.know(parts, isKeyed ? KEYED_PATIENCE_MS : VERIFY_PATIENCE_MS));
    if (!swarm || swarm !== this.#swarm()) return "unchecked"; // it has failed meanwhile, and that has been said
    if (!known) {
      if (!isKeyed || !parts.some((part) => swarm.isAhead(part))) return "unchecked";
      this.#untold += 1;
      return this.#untold > UNTOLD_MAX || !this.#heads.hasCome ? "silent" : "untold";
    }
    this.#untold = 0;
    const sizes = parts.map((part) => swarm.sizeOf(part));
    if (sizes.reduce((sum, size) => sum + size) !== bytes.length) return "forged";
    let at = 0;
    for (const [i, part] of parts.entries()) {
      const end = at + (sizes[i] ?? 0);
      if (!swarm.adopt(part, bytes.slice(at, end))) return "forged";
      at = end;
      if (swarm.store.markDelivered(part)) this.delivered(part);
    }
    return "good";
  }

  /** An encoder that came back with other settings has made an init segment of which the description did not tell yet. */
  async isNewInit(rendition: number, bytes: Uint8Array): Promise<boolean> {
    const newer = await this.#describedNow();
    const swarm = this.#swarm();
    return newer !== null && swarm !== null && swarm.describeAnew(newer) && swarm.isInit(rendition, bytes);
  }

  /** An origin that was started again serves another stream under the same name. It would wait long for heads that follow on this one's. */
  async #lookForAnother(): Promise<void> {
    const now = await this.#describedNow();
    if (now !== null && bornIn(now) !== this.bornMs) this.#superseded();
  }

  async #describedNow(): Promise<Uint8Array | null> {
    const url = new URL("live.bcs", this.#base).href;
    return fetchPlain(url, { fresh: true, urgent: true }).then(({ bytes }) => bytes, () => null);
  }

  /** Verified bytes of a part have come. */
  stored(part: SegmentKey, fromPeer: boolean): void {
    if (!fromPeer) this.#fromOrigin.add(part);
  }

  /** The player has been given a part. */
  delivered(part: SegmentKey): void {
    this.#delivered += 1;
    if (!this.#fromOrigin.has(part)) this.#fromPeers += 1;
  }

  /** A part is dropped. */
  evicted(part: SegmentKey): void {
    this.#fromOrigin.delete(part);
  }

  close(): void {
    this.#heads.close();
  }
}

const nameOf = ({ id, sequence }: Target) => `${id}/${sequence}`;

/** When the stream was born that this describes; 0 where it is cut short. */
function bornIn(description: Uint8Array): number {
  const view = new DataView(description.buffer, description.byteOffset, description.byteLength);
  return view.byteLength < BORN_AT + 8 ? 0 : Number(view.getBigUint64(BORN_AT, true));
}
