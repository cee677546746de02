/**
 * One viewer's part in the swarm: carries out what the core wants. Its invariant: the store holds only pieces that the core
 * has named as verified, and every origin fetch ends in exactly one word to the core, unless the core gave it up.
 */
import { binaryBytes, binaryString, randomText } from "./binary.js";
import { Core, type Film, type Opening, type Snapshot } from "./core.js";
import { Links } from "./links.js";
import { renditionOf, sequenceOf, type Carrier, type Hangup, type SegmentKey, type SignalKind } from "./ops.js";
import { ForgedError, OriginError, fetchPieces } from "./origin.js";
import { SLOW_MS } from "./rate.js";
import type { Counters, Meter } from "./stats.js";
import { Store } from "./store.js";
import { Tracker } from "./tracker.js";

/** What the engine hears. */
export interface SwarmEvents {
  /** A segment the player waits for is whole. */
  delivered(segment: SegmentKey): void;
  /** Verified bytes of a segment have come. */
  stored(segment: SegmentKey, bytes: number, fromPeer: boolean): void;
  /** A segment was dropped. */
  evicted(segment: SegmentKey): void;
  /** The origin refuses a segment for good, or gives something else for it. */
  failed(segment: SegmentKey, error: Error): void;
  /** A fetch from the origin went well. */
  sampled(bytes: number, ms: number, firstByteMs: number): void;
  peer(link: number, connected: boolean): void;
  /** The core has failed and is not to be called again. */
  broken(error: Error): void;
  /** Whether the player waits for a segment. */
  isUrgent(segment: SegmentKey): boolean;
  /** Called before the core thinks: the moment to tell it where the player is. */
  tick(): void;
}

/** What a swarm is made of. */
export interface SwarmOptions {
  module: WebAssembly.Module;
  /** The index; of a live stream the description. */
  index: Uint8Array;
  /** The live stream that it is of; `null`: a film. */
  stream: Pick<Carrier, "askHeads" | "told"> | null;
  key: string | undefined;
  /** Bytes a second; 0 shares nothing. */
  upload: number;
  record: boolean;
  /** Where the segments lie. */
  base: URL;
  tracker: string;
  /** 20 bytes; `null`: the film's own. */
  infoHash: Uint8Array | null;
  iceServers: RTCIceServer[];
  /** By what the tracker is reached. */
  socket: (new (url: string) => WebSocket) | undefined;
  counters: Counters;
  meter: Meter;
}

/** One fetch from the origin. */
class Fetching {
  readonly controller = new AbortController();
  readonly begunAt = performance.now();
  /** Pieces that are not verified yet. */
  readonly staged = new Map<number, Uint8Array<ArrayBuffer>>();
  /** Bytes that have come, and those of them that were stored. */
  came = 0;
  kept = 0;
}

/** A message's buffer is kept for the piece in it, if it has not much else. */
const MAX_SPARE_BYTES = 8 * 1024;
/** A link may take this long to get rid of what is queued once sharing has ended. */
const CLOG_MS = 700;
/** Who is so near in the film has much the same, seconds. */
const NEAR_S = 15;

/** See the head of this file. */
export class Swarm implements Carrier {
  readonly store = new Store();
  readonly #options: SwarmOptions;
  readonly #events: SwarmEvents;
  readonly #me = new TextEncoder().encode("-BC0001-" + randomText(12));
  readonly #fetching = new Map<SegmentKey, Fetching>();
  readonly #dialled = new Map<number, boolean>();
  #core!: Core;
  #links!: Links;
  #tracker!: Tracker;
  #wake: ReturnType<typeof setTimeout> | undefined;
  /** The message that the core is looking at. */
  #message: Uint8Array<ArrayBuffer> | null = null;
  #closed = false;
  #met = false;
  /** The youngest part of each rendition that is known to have been told of. */
  readonly #newest = new Map<number, number>();
  /** Who waits to hear of parts. */
  readonly #curious = new Set<{ parts: SegmentKey[]; tell: (known: boolean) => void }>();
  /** How many others the core last asked for. */
  #wanted: number | null = null;
  /** Query of the player's last request: a token, perhaps, that the origin wants to see. */
  query = "";
  /** Other viewers, as the tracker says. */
  audience: number | null = null;

  /** Whether the tracker lets us upload. */
  mayUpload = true;
  /** What we would upload if it does. */
  #upload: number;
  readonly #said = { upload_kbps: 0, position_ms: 0 };

  private constructor(options: SwarmOptions, events: SwarmEvents) {
    this.#options = options;
    this.#events = events;
    this.#upload = options.upload;
  }

  /** Checks the index and joins; an error says why not. */
  static async open(options: SwarmOptions, events: SwarmEvents): Promise<Swarm> {
    const swarm = new Swarm(options, events);
    const { module, index, key, upload, record, stream } = options;
    const isLive = stream !== null;
    const opening: Opening = { index, isLive, key, me: swarm.#me, seed: Math.random(), upload, record };
    swarm.#core = await Core.open(module, opening, swarm);
    return swarm;
  }

  /** Lets the core begin. It asks the origin only, until {@link Swarm.meet}. */
  begin(): void {
    this.#links = new Links(
      {
        up: (link, peer, dialled) => this.#linkUp(link, peer, dialled),
        down: (link) => this.#linkDown(link),
        message: (link, data) => this.#received(link, new Uint8Array(data)),
        room: (link, bytes) => this.#run((core) => core.linkRoom(link, bytes)),
        dialFailed: (peer) => {
          const id = binaryBytes(peer);
          if (id) this.#run((core) => core.dialFailed(id));
        },
      },
      this.#options.iceServers,
    );
    this.#tracker = new Tracker(
      { url: this.#options.tracker, infoHash: this.#options.infoHash ?? this.film.swarm, peerId: this.#me, socket: this.#options.socket, says: () => this.#said },
      {
        state: () => {},
        audience: (others) => {
          this.audience = others;
          this.#run((core) => core.audience(others));
        },
        mayUpload: (may) => {
          if (may === this.mayUpload) return;
          this.mayUpload = may;
          this.share(this.#upload);
        },
        candidates: (peers) => this.#run((core) => core.strangers(peers.map(binaryBytes).filter((id) => id !== null))),
        classic: () =>
          void this.#links.openOffers(5).then((offers) => offers.length && this.#tracker.announceOffers(offers)),
        offer: (peer, offerId, sdp) => this.#offered(peer, offerId, sdp),
        answer: (peer, offerId, sdp) => void this.#links.handleAnswer(peer, offerId, sdp),
        undeliverable: (offerId) => this.#links.handleUndeliverable(offerId),
      },
    );
    this.#run((core) => core.flush());
  }

  /** Joins the swarm: before that nobody hears of this viewer. */
  meet(): void {
    if (this.#met || this.#closed) return;
    this.#met = true;
    if (this.#wanted !== null) this.#tracker.announce(this.#wanted);
  }

  get film(): Film {
    return this.#core.film;
  }

  get isTrackerConnected(): boolean {
    return this.#tracker?.isConnected ?? false;
  }

  snapshot(): Snapshot {
    return this.#core.snapshot();
  }

  trace(): Uint8Array {
    return this.#core.trace();
  }

  /** The end of a viewer's peer id, and who began the connection. */
  describe(link: number): { name: string; dialled: boolean } {
    return { name: this.#links?.peerOf(link)?.slice(-6) ?? "", dialled: this.#dialled.get(link) ?? false };
  }

  player(position: number, buffered: number, playing: boolean, rate: number): void {
    // No more than who is near in the film needs.
    this.#said.position_ms = Math.floor(position / NEAR_S) * NEAR_S * 1000;
    this.#run((core) => core.player(position, buffered, playing, rate));
  }

  want(segment: SegmentKey): void {
    this.#run((core) => core.want(segment));
  }

  unwant(segment: SegmentKey): void {
    this.#run((core) => core.unwant(segment));
  }

  /** What the origin was seen to send by other fetches, bits a second. */
  originRate(bps: number): void {
    this.#run((core) => core.originRate(bps / 8));
  }

  /** Bytes a second; 0 shares nothing, and stops what is on its way. */
  share(wish: number): void {
    this.#upload = wish;
    const upload = this.mayUpload ? wish : 0;
    this.#said.upload_kbps = Math.round(upload / 125);
    this.#run((core) => core.sharing(upload));
    if (upload > 0) return;
    setTimeout(() => {
      for (const link of [...this.#dialled.keys()]) {
        if (this.#links.queued(link) > 0) {
          this.#links.hangUp(link);
          this.#linkDown(link);
        }
      }
    }, CLOG_MS);
  }

  get isLive(): boolean {
    return this.#options.stream !== null;
  }

  /** Takes in what the origin has answered; says why not, where it is not the publisher's. */
  heads(bytes: Uint8Array): string | null {
    let refused: string | null = null;
    this.#run((core) => (refused = core.heads(bytes)));
    return refused;
  }

  /** Takes in a newer description of the live stream; says whether it is one. */
  describeAnew(bytes: Uint8Array): boolean {
    return this.#core.describe(bytes);
  }

  /** Whether a part is younger than what heads have told of. */
  isAhead(part: SegmentKey): boolean {
    return this.sizeOf(part) === 0 && sequenceOf(part) > (this.#newest.get(renditionOf(part)) ?? 0);
  }

  /** Whether heads have told of all these parts, or do so within that time. */
  async know(parts: SegmentKey[], withinMs: number): Promise<boolean> {
    const areKnown = () => parts.every((part) => this.sizeOf(part) > 0);
    if (areKnown()) return true;
    if (!parts.every((part) => this.sizeOf(part) > 0 || this.isAhead(part))) return false;
    return new Promise((resolve) => {
      const asked = { parts, tell: resolve };
      this.#curious.add(asked);
      setTimeout(() => this.#curious.delete(asked) && resolve(areKnown()), withinMs);
    });
  }

  /** Bytes of a segment, or of a part; 0 where there is none. */
  sizeOf(segment: SegmentKey): number {
    if (this.isLive) {
      const [size, rendition] = [this.#core.partSize(segment), renditionOf(segment)];
      const newest = this.#newest.get(rendition) ?? 0;
      if (size > 0 && sequenceOf(segment) > newest) this.#newest.set(rendition, sequenceOf(segment));
      return size;
    }
    return this.film.renditions[renditionOf(segment)]?.sizes[sequenceOf(segment) - 1] ?? 0;
  }

  isInit(rendition: number, bytes: Uint8Array): boolean {
    return this.#options.meter.run(() => this.#core.isInit(rendition, bytes));
  }

  isText(name: string, bytes: Uint8Array): boolean {
    return this.#options.meter.run(() => this.#core.isText(name, bytes));
  }

  /** Checks a segment that came by another way, and takes it in if it is good. */
  adopt(segment: SegmentKey, bytes: Uint8Array<ArrayBuffer>): boolean {
    if (!this.isLive && (this.#fetching.has(segment) || this.store.bytes(segment) > 0)) {
      return this.#options.meter.run(() => this.#core.isSegment(segment, bytes));
    }
    const size = this.sizeOf(segment);
    if (bytes.length !== size) return false;
    // Pieces of a part are checked one by one, whatever else is under way.
    const fetched = this.#fetching.get(segment);
    const fetching = fetched ?? new Fetching();
    this.#fetching.set(segment, fetching);
    const { pieceLength } = this.film;
    let good = true;
    for (let at = 0, piece = 0; good && at < size; at += pieceLength, piece++) {
      good = this.#stage(segment, fetching, piece, bytes.slice(at, at + pieceLength));
    }
    if (fetched) return good;
    this.#fetching.delete(segment);
    // The core learns from what is asked for what plays, and finds this one held.
    if (good) this.want(segment);
    return good;
  }

  /** Leaves the swarm. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#wake);
    this.#tracker?.close();
    this.#links?.close();
    this.#fetching.forEach(({ controller }) => controller.abort());
    this.#curious.forEach(({ tell }) => tell(false));
    this.#curious.clear();
  }

  // ---- What happens ------------------------------------------------------------------------------------------------

  /** Calls the core, carries out, and sets the one timer. */
  #run(call: (core: Core) => void): void {
    if (this.#closed) return;
    clearTimeout(this.#wake);
    let wait: number;
    try {
      this.#options.meter.run(() => call(this.#core));
      wait = this.#core.wakeAt() - performance.now();
    } catch (error) {
      // After a trap nothing in the module can be relied on.
      return this.#events.broken(error instanceof Error ? error : new Error(String(error)));
    }
    for (const asked of this.#curious) {
      if (asked.parts.some((part) => this.sizeOf(part) === 0)) continue;
      this.#curious.delete(asked);
      asked.tell(true);
    }
    if (Number.isFinite(wait)) {
      this.#wake = setTimeout(() => {
        this.#events.tick();
        this.#links.reportDrained();
        this.#run((core) => core.wake());
      }, Math.max(0, wait));
    }
  }

  /** Somebody offers a connection: the answer goes the way that the offer came. */
  #offered(peer: string, offerId: string, sdp: string): void {
    const answer = (text: string) =>
      this.#carry("answer", peer, offerId, text) || this.#tracker.answer(peer, offerId, text);
    void this.#links.handleOffer(peer, offerId, sdp, answer);
  }

  /** Has a neighbour carry a description; `false`: it is for the tracker. */
  #carry(kind: "offer" | "answer", peer: string, offerId: string, sdp: string): boolean {
    const [to, id] = [binaryBytes(peer), binaryBytes(offerId)];
    let carried = false;
    if (to && id) this.#run((core) => (carried = core.signal(kind, to, id, sdp)));
    return carried;
  }

  #linkUp(link: number, peer: string, dialled: boolean): void {
    const id = binaryBytes(peer);
    if (!id) return this.#links.hangUp(link);
    this.#dialled.set(link, dialled);
    this.#run((core) => core.linkUp(link, id, dialled));
    if (this.#dialled.has(link)) this.#events.peer(link, true);
  }

  #linkDown(link: number): void {
    this.#run((core) => core.linkDown(link));
    if (this.#dialled.delete(link)) this.#events.peer(link, false);
  }

  #received(link: number, message: Uint8Array<ArrayBuffer>): void {
    this.#run((core) => {
      this.#message = message;
      core.message(link, message);
      this.#message = null;
    });
  }

  async #fetchFromOrigin(segment: SegmentKey, first: number, end: number): Promise<void> {
    const rendition = this.film.renditions[renditionOf(segment)];
    const size = this.sizeOf(segment);
    if (!rendition || size === 0) return;
    const fetching = new Fetching();
    this.cancelFetch(segment);
    this.#fetching.set(segment, fetching);
    const isMine = () => this.#fetching.get(segment) === fetching && !this.#closed;
    const path = `${rendition.id}/${this.isLive ? "part/" : ""}${sequenceOf(segment)}.m4s`;
    const url = new URL(path + this.query, this.#options.base).href;
    const { counters } = this.#options;
    // What fails the check is asked for once more, past every cache on the way: it may be a cache that is damaged.
    for (const fresh of [false, true]) {
      const outcome = await fetchPieces({
        url,
        size,
        pieceLength: this.film.pieceLength,
        first,
        end,
        fresh,
        urgent: this.#events.isUrgent(segment),
        signal: fetching.controller.signal,
        take: (piece, bytes) => isMine() && this.#stage(segment, fetching, piece, bytes),
        count: (bytes) => {
          fetching.came += bytes;
          counters.origin += bytes;
        },
      });
      if (!isMine()) return;
      if (outcome.kind === "complete") {
        this.#fetching.delete(segment);
        this.#events.sampled(fetching.came, outcome.totalMs, outcome.firstByteMs);
        return this.#run((core) => core.originEnd(segment, true, false));
      }
      if (outcome.kind === "failed") {
        counters.wasted += fetching.came - fetching.kept;
        this.#fetching.delete(segment);
        this.#run((core) => core.originEnd(segment, false, false));
        const { status } = outcome;
        if (status >= 400 && status < 500) this.#events.failed(segment, new OriginError(status, url));
        return;
      }
      counters.refused += fetching.came - fetching.kept;
      counters.refusedPieces += 1;
      fetching.came = fetching.kept = 0;
      fetching.staged.clear();
      this.#core.originAgain(segment);
    }
    this.#fetching.delete(segment);
    this.#run((core) => core.originEnd(segment, false, true));
    this.#events.failed(segment, new ForgedError(url));
  }

  /** Shows a piece from the origin to the core; says whether it may be the publisher's. */
  #stage(segment: SegmentKey, fetching: Fetching, piece: number, bytes: Uint8Array<ArrayBuffer>): boolean {
    fetching.staged.set(piece, bytes);
    let good = false;
    this.#run((core) => (good = core.originPiece(segment, piece, bytes)));
    return good;
  }

  // ---- What the core wants -----------------------------------------------------------------------------------------

  send(link: number, bytes: Uint8Array): void {
    this.#links.send(link, bytes as Uint8Array<ArrayBuffer>);
  }

  sendPiece(link: number, head: Uint8Array, segment: SegmentKey, piece: number): void {
    const payload = this.store.piece(segment, piece);
    if (payload) {
      const message = new Uint8Array(head.length + payload.length);
      message.set(head);
      message.set(payload, head.length);
      if (this.#links.send(link, message)) this.#options.counters.toPeers += payload.length;
    }
    // After this turn, so that the core is not called while it still gives orders.
    queueMicrotask(() => this.#links.reportRoom(link));
  }

  dial(peer: Uint8Array): void {
    const id = binaryString(peer);
    void this.#links.dial(id, (offerId, sdp) => {
      return this.#carry("offer", id, offerId, sdp) || this.#tracker.offer(id, offerId, sdp);
    });
  }

  hangup(link: number, _why: Hangup): void {
    this.#links.hangUp(link);
    if (this.#dialled.delete(link)) this.#events.peer(link, false);
  }

  signal(kind: SignalKind, bytes: Uint8Array): void {
    const [peer, offerId] = [binaryString(bytes.subarray(0, 20)), binaryString(bytes.subarray(20, 40))];
    const sdp = new TextDecoder().decode(bytes.subarray(40));
    // After this turn, so that the core is not called while it still gives orders.
    queueMicrotask(() => {
      if (this.#closed) return;
      if (kind === "offer") this.#offered(peer, offerId, sdp);
      else if (kind === "answer") void this.#links.handleAnswer(peer, offerId, sdp);
      else this.#links.handleUndeliverable(offerId);
    });
  }

  fetch(segment: SegmentKey, first: number, end: number): void {
    void this.#fetchFromOrigin(segment, first, end);
  }

  cancelFetch(segment: SegmentKey): void {
    const fetching = this.#fetching.get(segment);
    if (!fetching) return;
    this.#options.counters.wasted += fetching.came - fetching.kept;
    this.#fetching.delete(segment);
    fetching.controller.abort();
    // What is cut short says how slow it was, too.
    const ms = performance.now() - fetching.begunAt;
    if (ms > SLOW_MS) this.#events.sampled(fetching.came, ms, 0);
  }

  deliver(segment: SegmentKey): void {
    this.#events.delivered(segment);
  }

  evict(segment: SegmentKey): void {
    this.#options.counters.wasted += this.store.drop(segment);
    this.#events.evicted(segment);
  }

  announce(want: number): void {
    this.#wanted = want;
    if (this.#met) this.#tracker.announce(want);
  }

  keep(segment: SegmentKey, piece: number, offset: number | null, length: number): void {
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    if (offset === null) {
      const fetching = this.#fetching.get(segment);
      bytes = fetching?.staged.get(piece);
      fetching?.staged.delete(piece);
      if (fetching) fetching.kept += length;
    } else if (this.#message) {
      const message = this.#message;
      const spare = message.length - length;
      bytes = spare <= MAX_SPARE_BYTES ? message.subarray(offset, offset + length) : message.slice(offset, offset + length);
      this.#options.counters.peers += length;
    }
    if (!bytes) throw new Error("the core keeps a piece that is not there");
    this.store.put(segment, piece, bytes);
    this.#events.stored(segment, length, offset !== null);
  }

  askHeads(epoch: number, number: number): void {
    this.#options.stream?.askHeads(epoch, number);
  }

  told(part: SegmentKey, startMs: number, durationMs: number, cut: number): void {
    this.#options.stream?.told(part, startMs, durationMs, cut);
  }

  storeEarly(segment: SegmentKey, piece: number, bytes: Uint8Array): void {
    this.#options.counters.peers += bytes.length;
    this.store.put(segment, piece, bytes.slice());
    this.#events.stored(segment, bytes.length, true);
  }

  refused(_link: number | null, _segment: SegmentKey, _piece: number, length: number): void {
    this.#options.counters.refused += length;
    this.#options.counters.refusedPieces += 1;
  }

  dropped(link: number | null, length: number): void {
    // Counted as received first, so that what is wasted is part of what came.
    if (link !== null) this.#options.counters.peers += length;
    this.#options.counters.wasted += length;
  }
}
