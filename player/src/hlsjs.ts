/**
 * hls.js on the engine, through the loader that hls.js already has a place for.
 *
 *     const engine = new Engine({ index: "https://example.org/film/index.bci" });
 *     const hls = new Hls(engine.hlsConfig());
 *     engine.bindHls(hls);
 *
 * What is no segment of the film (playlists, byte ranges, other films) goes to the loader hls.js would have used, and so do subtitles
 * unless a key says whose they have to be. Of a live stream hls.js loads parts at the edge and segments behind it; which parts a segment has is learned from the playlists that it reads.
 */
import type Hls from "hls.js";
import type {
  FragmentLoaderContext,
  LevelDetails,
  HlsConfig,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderStats,
  PlaylistLoaderContext,
} from "hls.js";
import type { Follower } from "./live/index.js";
import {
  Engine as BaseEngine,
  HUNGRY_BELOW_S,
  OriginError,
  stateOf,
  type EngineOptions,
  type Progress,
} from "./engine.js";

export * from "./engine.js";

type FragmentLoader = Loader<FragmentLoaderContext>;

/** Seconds of film that hls.js keeps ready: as far ahead as the swarm looks, so that a wish leaves peers time. */
const BUFFER_S = 40;
/** Seconds behind the live edge where latency matters less than calm. */
const NORMAL_LATENCY_S = 10;
/** Half-lives of hls.js's estimate, in seconds of loading: what it is told is smooth already, and at a live edge a load is a moment. With
 * its own three and nine, who began on a busy line would keep the lowest quality for minutes. */
const ESTIMATE = { abrEwmaFastLive: 1, abrEwmaSlowLive: 2 };
/** A viewer who has fallen behind catches up a little faster than time passes. */
const CATCH_UP = 1.1;

/** How far behind the edge a live stream is watched: as near as its publisher's parts allow, or ten seconds. */
export type Latency = "low" | "normal";

/** An engine that hls.js can use. */
export class Engine extends BaseEngine {
  #unbind: (() => void) | null = null;

  constructor(options: EngineOptions) {
    super(options);
  }

  /** What to give to `new Hls(...)`, along with whatever else you set; `latency` is of live streams only. */
  hlsConfig(latency: Latency = "low"): Partial<HlsConfig> {
    const live =
      latency === "low" ? { lowLatencyMode: true } : { lowLatencyMode: false, liveSyncDuration: NORMAL_LATENCY_S };
    const buffer = { maxBufferLength: BUFFER_S, maxMaxBufferLength: BUFFER_S };
    return { ...ESTIMATE, fLoader: loaderFor(this), pLoader: playlistLoaderFor(this), maxLiveSyncPlaybackRate: CATCH_UP, ...buffer, ...live };
  }

  /** Follows what `hls` plays, for the core's sake and for {@link BaseEngine.stats}. Returns what takes that back. */
  bindHls(hls: Hls): () => void {
    this.#unbind?.();
    const attach = () => hls.media && this.attach(hls.media as HTMLVideoElement);
    const switched = () => {
      const level = hls.levels[hls.currentLevel] ?? hls.levels[hls.loadLevel];
      if (!level) return;
      const { bitrate, width, height } = level;
      const id = idOf(level.uri) ?? level.name;
      this.rendition = { id, bandwidth: bitrate, width, height };
    };
    this.player = () => {
      const media = hls.media as HTMLVideoElement | null;
      const state = media ? stateOf(media) : null;
      return state && this.live ? this.live.code.stateIn(hls, state, this.live.stream.bornMs) : state;
    };
    let follower: Follower | undefined;
    const learn = (_: string, { details }: { details: LevelDetails }) => {
      if (this.live && details.live) (follower ??= new this.live.code.Follower(hls)).look();
      this.live?.code.learnParts(details, (segment) => this.learn(segment));
      // Half of what a viewer at that distance from the edge has in hand: below it, waiting is nobody's choice.
      if (details.live) this.hungryBelowS = Math.min(HUNGRY_BELOW_S, (hls.targetLatency ?? 0) / 2);
      this.latency = details.live ? () => hls.latency : null;
    };
    // Its average would take minutes to learn what a neighbour has just said.
    this.raise = (bps) => {
      if (!(hls.bandwidthEstimate >= bps)) hls.bandwidthEstimate = bps;
    };
    // For one segment, and within what the page allows.
    this.take = (id) => {
      const level = hls.levels.findIndex(({ uri }) => idOf(uri) === id);
      if (level >= 0) hls.nextAutoLevel = level;
    };
    const follow = () => this.follow();
    // The names of these events are part of hls.js's API; its class is not needed for them.
    hls.on("hlsMediaAttached" as never, attach as never);
    hls.on("hlsLevelSwitched" as never, switched as never);
    hls.on("hlsFragLoaded" as never, follow as never);
    hls.on("hlsLevelUpdated" as never, learn as never);
    hls.on("hlsAudioTrackUpdated" as never, learn as never);
    attach();
    // Playlists that came before the stream was known are what the player begins with.
    const unready = this.on("ready", () => {
      for (const { details } of [...hls.levels, ...hls.audioTracks]) if (details) learn("", { details });
    });
    this.#unbind = () => {
      unready();
      hls.off("hlsMediaAttached" as never, attach as never);
      hls.off("hlsLevelSwitched" as never, switched as never);
      hls.off("hlsFragLoaded" as never, follow as never);
      hls.off("hlsLevelUpdated" as never, learn as never);
      hls.off("hlsAudioTrackUpdated" as never, learn as never);
      follower?.close();
      this.player = this.raise = this.take = this.latency = null;
    };
    return this.#unbind;
  }
}

/** A rendition's folder, of the address of its playlist. */
const idOf = (url: string) => /([\w-]+)\/[^/]*$/.exec(new URL(url, document.baseURI).pathname)?.[1];

/** The loader class for `HlsConfig.pLoader`: the one that hls.js would have used, of which a live stream's playlists need little. */
export function playlistLoaderFor(engine: BaseEngine): HlsConfig["pLoader"] {
  function Loader(config: HlsConfig) {
    const plain = new config.loader(config);
    const load = plain.load.bind(plain);
    plain.load = (context, ...rest) => {
      plain.load = load;
      if (engine.live) engine.live.stream.loadPlaylist(plain, context as PlaylistLoaderContext, ...rest);
      else load(context, ...rest);
    };
    return plain;
  }
  return Loader as unknown as HlsConfig["pLoader"];
}

/** The loader class for `HlsConfig.fLoader`. hls.js makes one loader for each load. */
export function loaderFor(engine: BaseEngine): HlsConfig["fLoader"] {
  class SwarmLoader implements FragmentLoader {
    context: FragmentLoaderContext | null = null;
    stats: LoaderStats = {
      aborted: false,
      loaded: 0,
      retry: 0,
      total: 0,
      chunkCount: 0,
      bwEstimate: 0,
      loading: { start: 0, first: 0, end: 0 },
      parsing: { start: 0, end: 0 },
      buffering: { start: 0, first: 0, end: 0 },
    };
    readonly #config: HlsConfig;
    #plain: FragmentLoader | null = null;
    #controller: AbortController | null = null;
    #callbacks: LoaderCallbacks<FragmentLoaderContext> | null = null;
    #timer: ReturnType<typeof setTimeout> | undefined;

    constructor(config: HlsConfig) {
      this.#config = config;
    }

    load(
      context: FragmentLoaderContext,
      config: LoaderConfiguration,
      callbacks: LoaderCallbacks<FragmentLoaderContext>,
    ): void {
      this.context = context;
      this.#callbacks = callbacks;
      const isText = context.frag?.type === "subtitle";
      const isForeign = Boolean(context.rangeEnd) || !engine.matches(context.url);
      if (engine.isStrict && !isText && isForeign) {
        // Playlists are not signed: what they name beyond the index has nobody's word.
        callbacks.onError({ code: 0, text: "no part of the signed film" }, context, null, this.stats);
        return;
      }
      if (isText ? !engine.isKeyed : isForeign) {
        this.#plain = new this.#config.loader(this.#config) as FragmentLoader;
        // hls.js holds on to the figures it got from this loader before it began.
        this.#plain.stats = this.stats;
        this.#plain.load(context, config, callbacks);
        return;
      }
      const controller = (this.#controller = new AbortController());
      const { stats } = this;
      stats.loading.start = performance.now();
      this.#timer = setTimeout(() => this.#timedOut(), config.loadPolicy.maxLoadTimeMs);
      const onProgress = (progress: Progress) => this.#note(progress);
      const request = { url: context.url, signal: controller.signal, onProgress };
      (isText ? engine.loadText(request) : engine.load(request)).then(
        ({ bytes, timing }) => {
          if (!this.#settle()) return;
          this.#note(timing);
          stats.loading.end = timing.end;
          stats.loaded = stats.total = bytes.byteLength;
          stats.bwEstimate = (stats.total * 8000) / Math.max(1, timing.end - timing.first);
          callbacks.onProgress?.(stats, context, bytes, null);
          callbacks.onSuccess({ url: context.url, data: bytes, code: 200 }, stats, context, null);
        },
        (error: Error) => {
          if (!this.#settle()) return;
          const code = error instanceof OriginError ? error.status : 0;
          callbacks.onError({ code, text: error.message }, context, null, stats);
        },
      );
    }

    abort(): void {
      this.#plain?.abort();
      const [callbacks, context] = [this.#callbacks, this.context];
      if (!this.#controller || !this.#settle()) return;
      this.stats.aborted = true;
      if (context) callbacks?.onAbort?.(this.stats, context, null);
    }

    destroy(): void {
      if (this.#controller && this.#settle()) this.stats.aborted = true;
      this.#plain?.destroy();
      this.#plain = this.#callbacks = this.context = null;
    }

    getCacheAge(): number | null {
      return this.#plain?.getCacheAge?.() ?? null;
    }

    getResponseHeader(name: string): string | null {
      return this.#plain?.getResponseHeader?.(name) ?? null;
    }

    /** The course of the load, as the estimator and the rules for giving a load up should see it. */
    #note({ start, first, loaded, total }: Progress): void {
      const { stats } = this;
      stats.loading.start = start;
      stats.loading.first = loaded > 0 ? first : 0;
      stats.loaded = loaded;
      if (total > 0) stats.total = total;
    }

    /** Ends the load once; says whether this was the once. */
    #settle(): boolean {
      const controller = this.#controller;
      if (!controller) return false;
      this.#controller = null;
      clearTimeout(this.#timer);
      controller.abort();
      return true;
    }

    #timedOut(): void {
      const [callbacks, context] = [this.#callbacks, this.context];
      if (this.#settle() && context) callbacks?.onTimeout(this.stats, context, null);
    }
  }
  return SwarmLoader as unknown as HlsConfig["fLoader"];
}
