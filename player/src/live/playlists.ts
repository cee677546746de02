/**
 * The playlists of a live stream that hls.js asks for. Its invariant: whoever asks gets what the origin would answer, from the heads
 * where they tell it in time, and from the origin itself where they do not, or not surely.
 */
import type { HlsConfig, LoaderCallbacks, LoaderConfiguration, LoaderContext, PlaylistLoaderContext } from "hls.js";
import { Playlist } from "./playlist.js";
import type { Times } from "./times.js";

/** Heads that are silent for so long have nothing to tell, or come too late: longer than any two parts. */
const PATIENCE_MS = 1000;
/** What was read is read anew after so long: what the origin has dropped, the other renditions, a player that has lost its way. */
const GOOD_FOR_MS = 30_000;
/** Heads that are so many parts behind the origin's playlist would cost more delay than requests are worth. */
const LAG_PARTS = 2;

/** What is needed of the loader that hls.js would have used. */
export type PlainLoader = InstanceType<HlsConfig["loader"]>;

/** The rest of what it is asked with. */
export type PlaylistRequest = [how: LoaderConfiguration, callbacks: LoaderCallbacks<PlaylistLoaderContext>];

interface Known {
  playlist: Playlist;
  readAt: number;
  isLate: boolean;
}

/** Those of one stream. */
export class Playlists {
  readonly #known = new Map<string, Known>();
  readonly #times: Times;
  readonly #bornMs: number;
  #spared = 0;

  constructor(times: Times, bornMs: number) {
    this.#times = times;
    this.#bornMs = bornMs;
  }

  /** Requests that the origin was spared. */
  get spared(): number {
    return this.#spared;
  }

  /** Does what `plain` would do for hls.js; `rendition` is the number of the one that the address is of. */
  load(
    plain: PlainLoader,
    rendition: number,
    context: PlaylistLoaderContext,
    ...[how, callbacks]: PlaylistRequest
  ): void {
    const { pathname } = new URL(context.url, document.baseURI);
    const ask = () => {
      const onSuccess: typeof callbacks.onSuccess = (response, ...rest) => {
        if (typeof response.data === "string") this.#read(pathname, rendition, response.data);
        callbacks.onSuccess(response, ...rest);
      };
      plain.load(context, how, { ...callbacks, onSuccess } as unknown as LoaderCallbacks<LoaderContext>);
    };
    const { msn, part, skip } = context.deliveryDirectives ?? {};
    const known = this.#known.get(pathname);
    const isGood = known && !known.isLate && performance.now() - known.readAt < GOOD_FOR_MS;
    if (!isGood || !skip || msn === undefined) return ask();

    const { stats } = plain;
    const begunAt = performance.now();
    plain.context = context;
    const over = this.#follow(known, rendition, msn, part, (text) => {
      if (text === null) return ask();
      this.#spared += 1;
      // A loader that has begun by its figures loads nothing any more: they are set at the end.
      stats.loading = { start: begunAt, first: performance.now(), end: performance.now() };
      stats.loaded = stats.total = text.length;
      callbacks.onSuccess({ url: context.url, data: text, code: 200 }, stats, context, null);
    });
    const { abort, destroy } = plain;
    plain.abort = () => (over(), abort.call(plain));
    plain.destroy = () => (over(), destroy.call(plain));
  }

  /** Tells what the playlist says once it has that part, or `null` where the origin has to be asked. Returns what ends it. */
  #follow(
    { playlist }: Known,
    rendition: number,
    msn: number,
    part: number | undefined,
    tell: (text: string | null) => void,
  ): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = () => {
      clearTimeout(timer);
      unlisten();
    };
    const end = (text: string | null) => {
      over();
      tell(text);
    };
    const look = () => {
      clearTimeout(timer);
      const isSure = this.#times.after(rendition, playlist.lastPart - 1).every((time) => playlist.add(time, this.#bornMs));
      if (!isSure) end(null);
      else if (playlist.has(msn, part)) end(playlist.text);
      else timer = setTimeout(() => end(null), PATIENCE_MS);
    };
    const unlisten = this.#times.listen(rendition, look);
    // hls.js does not expect an answer before it has asked.
    timer = setTimeout(look);
    return over;
  }

  #read(pathname: string, rendition: number, text: string): void {
    const playlist = Playlist.read(text);
    this.#known.delete(pathname);
    if (!playlist || rendition < 0) return;
    const isLate = playlist.lastPart - this.#times.last(rendition) > LAG_PARTS;
    this.#known.set(pathname, { playlist, readAt: performance.now(), isLate });
  }
}
