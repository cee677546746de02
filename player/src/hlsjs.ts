/**
 * hls.js on the engine, through the loader that hls.js already has a place for.
 *
 *     const engine = new Engine({ index: "https://example.org/film/index.bci" });
 *     const hls = new Hls(engine.hlsConfig());
 *     engine.bindHls(hls);
 *
 * What is no segment of the film (playlists, subtitles, byte ranges, other films) goes to the loader hls.js would have used.
 */
import type Hls from "hls.js";
import type {
  FragmentLoaderContext,
  HlsConfig,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderStats,
} from "hls.js";
import { Engine as BaseEngine, OriginError, stateOf, type EngineOptions, type Progress } from "./engine.js";

export * from "./engine.js";

type FragmentLoader = Loader<FragmentLoaderContext>;

/** Seconds of film that hls.js keeps ready: as far ahead as the swarm looks, so that a wish leaves peers time. */
const BUFFER_S = 40;

/** An engine that hls.js can use. */
export class Engine extends BaseEngine {
  #unbind: (() => void) | null = null;

  constructor(options: EngineOptions) {
    super(options);
  }

  /** What to give to `new Hls(...)`, along with whatever else you set. */
  hlsConfig(): Pick<HlsConfig, "fLoader" | "maxBufferLength" | "maxMaxBufferLength"> {
    return { fLoader: loaderFor(this), maxBufferLength: BUFFER_S, maxMaxBufferLength: BUFFER_S };
  }

  /** Follows what `hls` plays, for the core's sake and for {@link BaseEngine.stats}. Returns what takes that back. */
  bindHls(hls: Hls): () => void {
    this.#unbind?.();
    const attach = () => hls.media && this.attach(hls.media as HTMLVideoElement);
    const switched = () => {
      const level = hls.levels[hls.currentLevel] ?? hls.levels[hls.loadLevel];
      if (!level) return;
      const { bitrate, width, height } = level;
      const id = /([\w-]+)\/[^/]*$/.exec(new URL(level.uri, document.baseURI).pathname)?.[1] ?? level.name;
      this.rendition = { id, bandwidth: bitrate, width, height };
    };
    this.player = () => {
      const media = hls.media as HTMLVideoElement | null;
      return media ? stateOf(media) : null;
    };
    // Its average would take minutes to learn what a neighbour has just said.
    this.raise = (bps) => {
      if (!(hls.bandwidthEstimate >= bps)) hls.bandwidthEstimate = bps;
    };
    // The names of these events are part of hls.js's API; its class is not needed for them.
    hls.on("hlsMediaAttached" as never, attach as never);
    hls.on("hlsLevelSwitched" as never, switched as never);
    attach();
    this.#unbind = () => {
      hls.off("hlsMediaAttached" as never, attach as never);
      hls.off("hlsLevelSwitched" as never, switched as never);
      this.player = this.raise = null;
    };
    return this.#unbind;
  }
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
      const isMedia = context.frag?.type !== "subtitle";
      if (engine.isStrict && isMedia && (context.rangeEnd || !engine.matches(context.url))) {
        // Playlists are not signed: what they name beyond the index has nobody's word.
        callbacks.onError({ code: 0, text: "no part of the signed film" }, context, null, this.stats);
        return;
      }
      if (context.rangeEnd || context.part || !engine.matches(context.url)) {
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
      engine.load({ url: context.url, signal: controller.signal, onProgress }).then(
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
