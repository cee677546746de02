/**
 * The engine: brings the segments a player asks for from other viewers and from the origin, whichever is better, checks
 * every piece against the index, and shares what it has. It knows no particular player: an adapter calls {@link Engine.load}
 * and says through {@link Engine.player} where the player is. Of a live stream it does so part by part; what it needs for that
 * beyond a film is in `live/`.
 *
 * It never makes anybody wait for itself: until it is ready, and whenever it cannot be, segments come straight from the
 * origin. Every decision is the core's; `swarm.ts` carries them out.
 */
import type { EngineEvents, EngineOptions, LoadRequest } from "./api.js";
import { assetUrl, liveModule } from "./assets.js";
import { compile } from "./core.js";
import { Emitter } from "./emitter.js";
import { renditionOf, segmentKey, sequenceOf, type SegmentKey } from "./ops.js";
import { ForgedError, OriginError, fetchPlain, type Plain } from "./origin.js";
import { OriginRate } from "./rate.js";
import { HUNGRY_BELOW_S, pathOf } from "./honest.js";
import { LET_GO_BELOW_S, Offer } from "./offer.js";
import { isMetered, stateOf, type PlayerState } from "./page.js";
import { Playback } from "./playback.js";
import { Meter, type Counters, type PeerStats, type RenditionInfo, type Stats } from "./stats.js";
import { Swarm } from "./swarm.js";
import type * as LiveModule from "./live/index.js";
import { Wishes, aborted, type Loaded, type Progress } from "./wishes.js";

export type { EngineEvents, EngineOptions, LoadRequest } from "./api.js";
export { HUNGRY_BELOW_S } from "./honest.js";
export { ForgedError, OriginError } from "./origin.js";
export { isMetered, stateOf, type PlayerState } from "./page.js";
export type { Loaded, Progress } from "./wishes.js";
export type { PeerStats, RenditionInfo, Stats } from "./stats.js";

/** What plain loads wait for the index and the module once they have their bytes, all of them together. */
const VERIFY_PATIENCE_MS = 500;
/** The same where a publisher's key is given: then nothing goes to the player unchecked before it has been said. */
const KEYED_PATIENCE_MS = 4000;
/** What the index, the module and the key may take. */
const START_PATIENCE_MS = 20_000;
/** Others are met once the picture moves, or this long after the engine is ready: connections cost time on both sides, which
 * the start needs, and that is from the origin anyway. */
const MEET_WITHIN_MS = 300;
const PLAYER_EVERY_MS = 250;
/** What a quality takes, times this, is what an estimate must say for hls.js to stay with it. */
const LASTS = 1.1;
const STATS_EVERY_MS = 1000;
const DEFAULT_UPLOAD_KBPS = 20_000;
/** No text of captions is longer, nor are the subtitles of a film. */
const TEXT_BYTES = 16 << 20;
/** What a player gets for a text that is not the publisher's. */
const NOTHING_SAID = "WEBVTT\n\n";

type Target = LiveModule.Target;

/** A live stream, and the code that only live streams need. */
export interface Live {
  stream: LiveModule.LiveStream;
  code: typeof LiveModule;
}

/** What a swarm is opened with. */
interface Sources {
  module: WebAssembly.Module;
  /** The index, or the description. */
  index: Uint8Array<ArrayBuffer>;
  /** `null`: a film. */
  live: Live | null;
  /** Bits a second at which the module came. */
  seen: number | null;
}

/** One viewer of one film, or of one live stream. */
export class Engine extends Emitter<EngineEvents> {
  /** Says where the player is; asked four times a second and at every {@link Engine.touch}. */
  player: (() => PlayerState | null) | null = null;
  /** Told that the player's estimate may be taken for so many bits a second at least; an adapter sets it. */
  raise: ((bps: number) => void) | null = null;
  /** Told of which rendition the player is to take what comes next, as all do who share its line; an adapter sets it. */
  take: ((id: string) => void) | null = null;
  /** What plays now; an adapter sets it. */
  rendition: RenditionInfo | null = null;
  /** How far behind the edge of a live stream the player is, seconds; an adapter sets it. */
  latency: (() => number | null) | null = null;
  /** Seconds of buffer below which the player is hungry: less than it has in hand at its distance from a live edge. */
  hungryBelowS = HUNGRY_BELOW_S;
  /** The live stream, and what is only for live streams; `null` in a film, and at first. */
  live: Live | null = null;
  /** Settles when it is decided whether other viewers take part. Never fails. */
  readonly ready: Promise<void>;

  readonly #options: EngineOptions;
  readonly #base: URL;
  readonly #playback = new Playback();
  readonly #meter = new Meter();
  readonly #counters: Counters = { origin: 0, peers: 0, toPeers: 0, wasted: 0, refused: 0, refusedPieces: 0, unchecked: 0 };
  readonly #wishes = new Wishes({
    held: (segment) => this.#swarm?.store.bytes(segment) ?? 0,
    size: (segment) => this.#swarm?.sizeOf(segment) ?? 0,
    copy: (segment) => this.#swarm?.store.copy(segment, this.#swarm.sizeOf(segment)) ?? null,
    path: () => ({ pathBps: this.#pathBps(), firstByteMs: this.#rate.firstByteMs }),
    unwant: (segment) => this.#swarm?.unwant(segment),
  });
  readonly #statsTimer: ReturnType<typeof setInterval>;
  #swarm: Swarm | null = null;
  #reason: string | null = null;
  #closed = false;
  #patience: Promise<void> | null = null;
  #playerAt = 0;
  #bufferedS = 0;
  /** The same at the player's speed. */
  #leftS = 0;
  #sharing: boolean;
  #uploadKbps: number;
  readonly #rate = new OriginRate();
  readonly #offer = new Offer();

  constructor(options: EngineOptions) {
    super();
    this.#options = options;
    this.#base = new URL(".", new URL(options.index, document.baseURI));
    this.#sharing = options.sharing ?? !isMetered();
    this.#uploadKbps = options.uploadKbps ?? DEFAULT_UPLOAD_KBPS;
    this.#statsTimer = setInterval(() => this.emit("stats", this.stats()), STATS_EVERY_MS);
    addEventListener("pagehide", this.#leave);
    this.ready = this.#start().catch((error: unknown) => this.#fallBack(textOf(error)));
  }

  /** Whether a URL is a segment of the film, a part of the live stream, or an init segment of one of its renditions. */
  matches(url: string): boolean {
    const target = this.#locate(url);
    if (!target || !this.#swarm) return target !== null;
    const rendition = this.#swarm.film.renditions.find(({ id }) => id === target.id);
    return rendition !== undefined && (this.#swarm.isLive || (target.sequence ?? 0) <= rendition.sizes.length);
  }

  /** A playlist tells of a complete segment of a live stream. */
  learn(segment: LiveModule.Segment): void {
    this.live?.stream.learn(segment, (url) => this.#locate(url), (target) => this.#renditionOf(target));
  }

  /** Whether everything that plays is to be the publisher's: a key was given, and its index is there. Then an adapter lets no
   * media pass that is no part of the film. */
  get isStrict(): boolean {
    return this.isKeyed && this.#swarm !== null;
  }

  /** Whether a publisher's key was given. */
  get isKeyed(): boolean {
    return this.#options.key !== undefined;
  }

  /** Brings a file that {@link Engine.matches}. Fails with {@link OriginError}, {@link ForgedError} or an `AbortError`. */
  load(request: LoadRequest): Promise<Loaded> {
    const target = this.#locate(request.url);
    if (!target) return Promise.reject(new RangeError(`${request.url} is no part of the film`));
    if (this.live && this.#swarm) return this.#loadLive(this.live, target, request);
    const key = this.#swarm ? this.#keyOf(target) : null;
    return key === null ? this.#direct(target, request) : this.#want([key], request);
  }

  /** Brings a text of captions or subtitles. Under a key, one that is not what the publisher has signed under that name is empty: the film
   * plays on. Fails as {@link Engine.load} does, but with no {@link ForgedError}. */
  async loadText({ url, signal }: LoadRequest): Promise<Loaded> {
    const start = performance.now();
    const loaded = (bytes: Uint8Array<ArrayBuffer>): Loaded => {
      const end = performance.now();
      return { bytes: bytes.buffer, timing: { start, first: end, end, loaded: bytes.length, total: bytes.length } };
    };
    for (const fresh of [false, true]) {
      const { bytes } = await fetchPlain(url, { fresh, urgent: true, signal });
      await this.#decided();
      if (signal?.aborted) throw aborted();
      if (!this.#swarm || !this.isKeyed || this.#isText(url, bytes)) return loaded(bytes);
      this.#refuse(bytes);
    }
    this.emit("error", { message: new ForgedError(url).message });
    return loaded(new TextEncoder().encode(NOTHING_SAID));
  }

  /** The player's state has just changed in a way that matters: it sought, stopped, went on, changed speed. */
  touch(): void {
    this.#reportPlayer();
  }

  /** Measures start-up and stalls on this element, and takes the player's state from it unless an adapter says better. */
  attach(video: HTMLVideoElement): void {
    this.#playback.attach(video, () => this.touch());
    this.player ??= () => stateOf(video);
  }

  /** Whether this viewer uploads. Off takes effect within a second. */
  get sharing(): boolean {
    return this.#sharing;
  }

  set sharing(on: boolean) {
    this.#sharing = on;
    this.#swarm?.share(this.#upload());
  }

  /** Most to upload, kbit/s. */
  get uploadKbps(): number {
    return this.#uploadKbps;
  }

  set uploadKbps(kbps: number) {
    this.#uploadKbps = Math.max(0, Math.round(kbps)) || 0;
    this.#swarm?.share(this.#upload());
  }

  /** Everything measured so far. */
  stats(): Stats {
    const [swarm, counters] = [this.#swarm, this.#counters];
    const snapshot = swarm?.snapshot();
    const peers = (snapshot?.neighbours ?? []).map(({ link, ...rest }): PeerStats => {
      return { id: link, name: "", dialled: false, ...rest, ...swarm?.describe(link) };
    });
    const position = this.player?.()?.position ?? 0;
    const passed = swarm?.store.unused((segment) => this.#endOf(segment) <= position) ?? 0;
    // The tracker's number is from the last announce: who has come since may be linked already.
    const others = swarm?.audience == null ? null : Math.max(swarm.audience, peers.length);
    const received = counters.origin + counters.peers;
    return {
      ...this.#playback.figures,
      rendition: this.rendition,
      bytesFromOrigin: counters.origin,
      bytesFromPeers: counters.peers,
      bytesToPeers: counters.toPeers,
      bytesWasted: counters.wasted + passed,
      bytesRefused: counters.refused,
      bytesUnchecked: counters.unchecked,
      latencyS: this.latency?.() ?? null,
      parts: 0,
      partsFromPeers: 0,
      playlistsSpared: 0,
      ...this.live?.stream.counts,
      refused: counters.refusedPieces,
      peersConnected: peers.length,
      audience: others === null ? null : others + 1,
      originCopies: others === null || received === 0 ? null : (counters.origin / received) * (others + 1),
      state: this.#reason !== null ? "origin-only" : swarm ? "p2p" : "starting",
      reason: this.#reason,
      trackerConnected: swarm?.isTrackerConnected ?? false,
      sharing: this.#sharing && (swarm?.mayUpload ?? true),
      uploadKbps: this.#uploadKbps,
      pathBps: this.#pathBps(),
      bytesHeld: snapshot?.heldBytes ?? 0,
      peers,
      engineCpuMs: this.#meter.ms,
    };
  }

  /** What the core was told and wanted, for a replay elsewhere; `null` unless the engine was made to record. */
  exportTrace(): Uint8Array | null {
    return this.#options.record && this.#swarm ? this.#swarm.trace() : null;
  }

  /** Leaves the swarm and lets go of everything. */
  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    removeEventListener("pagehide", this.#leave);
    clearInterval(this.#statsTimer);
    this.#swarm?.close();
    this.live?.stream.close();
    this.#wishes.close();
    this.#playback.detach();
  }

  // ---- Start -------------------------------------------------------------------------------------------------------

  async #start(): Promise<void> {
    const { p2p, key, swarm: name, record, iceServers, socket } = this.#options;
    if (p2p === false) return this.#fallBack("switched off", true);
    if (typeof RTCPeerConnection === "undefined") throw new Error("this browser has no WebRTC");
    const parts = Promise.all([
      this.#sources(),
      Promise.resolve(key).catch((error: unknown) => {
        throw new Error(`no key: ${textOf(error)}`);
      }),
    ]);
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error("the index or the engine does not come")), START_PATIENCE_MS);
    });
    const [sources, publisher] = await Promise.race([parts, late]);
    // A key that turns out empty must not mean that anything goes.
    if (this.isKeyed && !publisher) throw new Error("the publisher's key is empty");
    const { live, module, index, seen } = sources;
    const stream = live?.stream;
    const tracker = new URL(this.#options.tracker ?? new URL("/tracker", this.#base), document.baseURI);
    tracker.protocol = tracker.protocol.replace("http", "ws");
    const swarm = await Swarm.open(
      {
        module,
        index,
        stream: stream ?? null,
        key: publisher,
        upload: this.#upload(),
        record: record ?? false,
        base: this.#base,
        tracker: tracker.href,
        infoHash: name && /^[0-9a-f]{40}$/i.test(name) ? hexBytes(name) : null,
        iceServers: iceServers ?? [],
        socket,
        counters: this.#counters,
        meter: this.#meter,
      },
      {
        delivered: (segment) => {
          this.#wishes.delivered(segment);
          if (swarm.store.markDelivered(segment)) stream?.delivered(segment);
        },
        stored: (segment, bytes, fromPeer) => {
          stream?.stored(segment, fromPeer);
          this.#wishes.stored(segment, bytes, fromPeer);
        },
        evicted: (segment) => stream?.evicted(segment),
        failed: (segment, error) => {
          if (error instanceof ForgedError) this.emit("error", { message: error.message });
          this.#wishes.failed(segment, error);
        },
        sampled: (bytes, ms, firstByteMs) => this.#rate.sample(bytes, ms, firstByteMs),
        peer: (id, connected) => this.emit("peer", { id, connected }),
        broken: (error) => this.#broken(error),
        isUrgent: (segment) => this.#wishes.has(segment),
        tick: () => performance.now() - this.#playerAt >= PLAYER_EVERY_MS && this.#reportPlayer(),
      },
    );
    if (this.#closed || this.#reason !== null) {
      stream?.close();
      return swarm.close();
    }
    this.#swarm = swarm;
    this.live = live;
    this.#rate.takesSmall = live !== null;
    swarm.begin();
    if (seen !== null) swarm.originRate(seen);
    setTimeout(() => swarm.meet(), MEET_WITHIN_MS);
    // Sharing may have been switched while the index was on its way.
    swarm.share(this.#upload());
    this.#reportPlayer();
    this.emit("ready", this);
  }

  /** What is needed beside the key: of a film, unless the address says otherwise or there is no index. */
  async #sources(): Promise<Sources> {
    const { index, after, wasm = assetUrl("braidcast.wasm") } = this.#options;
    const url = new URL(index, document.baseURI);
    if (url.pathname.endsWith(".bcs")) return this.#liveSources(url);
    const controller = new AbortController();
    const module = wasm instanceof WebAssembly.Module ? wasm : compile(wasm, after, controller.signal);
    const file = fetchPlain(url.href, { fresh: false, urgent: false });
    try {
      const [{ bytes }, compiled] = await Promise.all([file, module]);
      return { module: compiled, index: bytes, live: null, seen: this.#seen(wasm) };
    } catch (error) {
      controller.abort();
      const missing = await file.then(() => null, (missing: Error) => missing);
      if (missing === null) throw error;
      if (!(missing instanceof OriginError) || missing.status !== 404) throw new Error(`no index: ${missing.message}`);
      // No film: perhaps a live stream.
      return this.#liveSources(new URL("live.bcs", url)).catch(() => {
        throw new Error(`no index: ${missing.message}`);
      });
    }
  }

  async #liveSources(url: URL): Promise<Sources> {
    const { after, liveWasm: wasm = assetUrl("braidcast-live.wasm") } = this.#options;
    const plain = (url: URL) => fetchPlain(url.href, { fresh: false, urgent: false }).then(({ bytes }) => bytes);
    const first = plain(new URL("heads?epoch=0&after=0", url));
    first.catch(() => {}); // whoever waits for it asks again
    const [module, index, code] = await Promise.all([
      wasm instanceof WebAssembly.Module ? wasm : compile(wasm, after),
      plain(url).catch((error: unknown) => {
        throw new Error(`no description of the stream: ${textOf(error)}`);
      }),
      liveModule(),
    ]);
    const hopeless = (why: string) => this.#broken(new Error(`no head of the stream is taken: ${why}`));
    const superseded = () => this.#closed || this.emit("superseded", undefined);
    const stream = new code.LiveStream(this.#base, index, first, () => this.#swarm, hopeless, superseded);
    return { module, index, live: { stream, code }, seen: this.#seen(wasm) };
  }

  #seen(wasm: string | URL | WebAssembly.Module): number | null {
    if (wasm instanceof WebAssembly.Module) return null;
    return this.#rate.sampleFile(new URL(wasm, document.baseURI), this.#base);
  }

  #fallBack(reason: string, quietly = false): void {
    if (this.#closed || this.#reason !== null) return;
    this.#reason = reason;
    if (!quietly) console.warn(`braidcast: playing from the origin alone: ${reason}`);
    // After this turn: whoever made the engine may not have begun to listen.
    queueMicrotask(() => this.emit("fallback", { reason }));
  }

  /** The engine itself has failed: the film goes on without it. */
  #broken(error: Error): void {
    const swarm = this.#swarm;
    this.#swarm = null;
    this.#fallBack(`the engine failed: ${error.message}`);
    swarm?.close();
    this.live?.stream.close();
    this.#wishes.failAll(new OriginError(0, "a segment"));
  }

  readonly #leave = (event: PageTransitionEvent): void => {
    if (!event.persisted) this.destroy();
  };

  #upload(): number {
    return this.#sharing ? Math.round(this.#uploadKbps * 125) : 0;
  }

  // ---- The player --------------------------------------------------------------------------------------------------

  #reportPlayer(): void {
    this.#playerAt = performance.now();
    const state = this.player?.();
    if (state) {
      this.#bufferedS = state.buffered;
      this.#leftS = state.buffered / Math.max(1, state.rate);
      this.follow();
      this.#wishes.look(this.#leftS, this.#offer.bps === null ? this.hungryBelowS : LET_GO_BELOW_S);
      this.#swarm?.player(state.position, state.buffered, state.playing, state.rate);
    }
    if (this.#playback.hasStarted) this.#swarm?.meet();
    this.#wishes.tell();
  }

  /** Follows what neighbours offer. An adapter calls it before its player chooses. */
  follow(): void {
    const offered = this.#swarm?.snapshot().offered;
    const renditions = this.#swarm?.film.renditions ?? [];
    const rendition = offered && renditions[offered.rendition];
    const sound = Math.max(0, ...renditions.map(({ kind, bandwidth }) => (kind === "audio" ? bandwidth : 0)));
    const bandwidth = rendition ? rendition.bandwidth + sound : null;
    const isNew = this.#offer.look(bandwidth, offered?.forAll === true, this.#leftS, performance.now());
    const { bps } = this.#offer;
    if (bps === null || !rendition) return;
    if (isNew) this.raise?.(bps);
    if (offered.forAll) this.take?.(rendition.id);
  }

  #pathBps(): number | null {
    const bothBps = this.#swarm?.snapshot().pathBps ?? null;
    const bytes = this.#counters.origin + this.#counters.peers;
    const path = pathOf({ bothBps, bytes, bufferedS: this.#bufferedS, offerBps: this.#offer.bps, origin: this.#rate.measured() });
    // At a live edge all wait most of the time, and what plays comes in time or the buffer says so.
    const comes = this.live && this.#bufferedS >= this.hungryBelowS ? (this.rendition?.bandwidth ?? 0) * LASTS : 0;
    return Math.max(path ?? 0, comes) || null;
  }

  // ---- Loads -------------------------------------------------------------------------------------------------------

  #locate(url: string): Target | null {
    const parsed = URL.canParse(url, document.baseURI) ? new URL(url, document.baseURI) : null;
    const { origin, pathname } = this.#base;
    if (parsed?.origin !== origin || !parsed.pathname.startsWith(pathname)) return null;
    const match = NAME.exec(parsed.pathname.slice(pathname.length));
    const [, id, part, sequence] = match ?? [];
    return id ? { id, sequence: sequence ? Number(sequence) : null, isPart: part !== undefined } : null;
  }

  #keyOf(target: Target): SegmentKey | null {
    const rendition = this.#renditionOf(target);
    const isSegment = rendition >= 0 && target.sequence !== null;
    const key = isSegment ? segmentKey(rendition, target.sequence ?? 0) : null;
    return key !== null && this.#swarm?.sizeOf(key) ? key : null;
  }

  #renditionOf(target: Target): number {
    return this.#swarm?.film.renditions.findIndex(({ id }) => id === target.id) ?? -1;
  }

  #endOf(segment: SegmentKey): number {
    return this.#swarm?.film.renditions[renditionOf(segment)]?.starts[sequenceOf(segment)] ?? Infinity;
  }

  #want(segments: SegmentKey[], { url, signal, onProgress }: LoadRequest): Promise<Loaded> {
    const loaded = this.#wishes.add(segments, signal, onProgress && ((progress) => onProgress(progress)));
    if (!this.#swarm || signal?.aborted) return loaded;
    this.#reportPlayer();
    this.#swarm.query = new URL(url, document.baseURI).search;
    for (const segment of segments) this.#swarm?.want(segment);
    return loaded;
  }

  /** What heads have told of comes through the core. A playlist may know of a part a little sooner; of what is older than heads go
   * back it alone knows, and that comes from the origin. */
  async #loadLive({ stream }: Live, target: Target, request: LoadRequest): Promise<Loaded> {
    const parts = stream.keysOf(this.#renditionOf(target), target);
    const known = await stream.areKnown(parts);
    if (request.signal?.aborted) throw aborted();
    return known && this.#swarm ? this.#want(parts, request) : this.#direct(target, request);
  }

  /** Straight from the origin; checked before it is handed over, if the index is there by then. */
  async #direct(target: Target, { url, signal, onProgress }: LoadRequest): Promise<Loaded> {
    const startedAt = performance.now();
    const timing = (loaded: number, total: number): Progress => {
      const now = performance.now();
      return { start: startedAt, first: Math.min(startedAt + this.#rate.firstByteMs, now), end: now, loaded, total };
    };
    for (let attempt = 0; ; attempt++) {
      const begunAt = performance.now();
      let came = 0;
      const progress = (loaded: number, total: number) => {
        this.#counters.origin += loaded - came;
        came = loaded;
        onProgress?.(timing(loaded, total));
      };
      let plain: Plain;
      try {
        plain = await fetchPlain(url, { fresh: attempt > 0, urgent: true, signal, progress });
      } catch (error) {
        this.#counters.wasted += came;
        const isAnswer = error instanceof OriginError && error.status >= 400 && error.status < 500;
        if (attempt > 0 || isAnswer || signal?.aborted) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
        continue;
      }
      const { bytes } = plain;
      const seen = this.#rate.sample(bytes.length, performance.now() - begunAt, plain.firstByteMs);
      if (seen !== null) this.#swarm?.originRate(seen);
      const loaded = { bytes: bytes.buffer, timing: timing(bytes.length, bytes.length) };
      await this.#decided();
      if (signal?.aborted) throw aborted();
      if (await this.#isGood(target, url, bytes)) return loaded;
      this.#refuse(bytes);
      if (attempt > 0) {
        const error = new ForgedError(url);
        this.emit("error", { message: error.message });
        throw error;
      }
    }
  }

  /** Waits until there is something to check with, or it is said that there is not. */
  async #decided(): Promise<void> {
    this.#patience ??= new Promise((resolve) =>
      setTimeout(resolve, this.isKeyed ? KEYED_PATIENCE_MS : VERIFY_PATIENCE_MS),
    );
    await Promise.race([this.ready, this.#patience]);
    if (this.isKeyed && !this.#swarm) this.#fallBack("the signed index does not come");
  }

  #refuse({ length }: Uint8Array): void {
    this.#counters.refused += length;
    this.#counters.refusedPieces += 1;
  }

  /** Whether the publisher has signed a text under the name that its address has in the film's folder. */
  #isText(url: string, bytes: Uint8Array): boolean {
    const { origin, pathname } = new URL(url, document.baseURI);
    const isHere = origin === this.#base.origin && pathname.startsWith(this.#base.pathname);
    if (!isHere || bytes.length > TEXT_BYTES) return false;
    return this.#swarm?.isText(pathname.slice(this.#base.pathname.length), bytes) ?? true;
  }

  /** Checks what came straight from the origin, and shares it. Without an index there is nothing to check it against, and
   * it is taken as any player takes it: where a key was given, that has been said by then. */
  async #isGood(target: Target, url: string, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const swarm = this.#swarm;
    const rendition = this.#renditionOf(target);
    if (!swarm) return true;
    if (rendition < 0) return !this.isKeyed; // beyond the index: no part of the film
    try {
      const { stream } = this.live ?? {};
      if (target.sequence === null) {
        return swarm.isInit(rendition, bytes) || ((await stream?.isNewInit(rendition, bytes)) ?? false);
      }
      if (stream) {
        const verdict = await stream.judge(stream.keysOf(rendition, target), bytes, this.isKeyed);
        if (verdict === "untold") throw new OriginError(0, url);
        if (verdict === "silent") this.#broken(new Error("no signed head of the stream comes"));
        if (verdict === "unchecked") this.#counters.unchecked += bytes.length;
        return verdict !== "forged";
      }
      const segment = this.#keyOf(target);
      if (segment === null) return !this.isKeyed;
      const good = swarm.adopt(segment, bytes);
      if (good) swarm.store.markDelivered(segment);
      return good;
    } catch (error) {
      if (error instanceof OriginError) throw error;
      this.#broken(error instanceof Error ? error : new Error(String(error)));
      return true;
    }
  }
}

/** Names beside the index: `ID/init.mp4` and `ID/SEQ.m4s` of a film, `ID/init/N.mp4`, `ID/SEQ.m4s` and `ID/part/N.m4s` of a stream. */
const NAME = /^([\w-]{1,32})\/(?:init(?:\/\d{1,9})?\.mp4|(part\/)?([1-9]\d{0,8})\.m4s)$/;

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
const hexBytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
