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
/** The rendition whose segments captions follow. */
const FIRST = 0;
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
  /** When what each list of captions tells of ends, milliseconds since the stream's birth; by its path. */
  readonly #captioned = new Map<string, number>();
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
    const { playlist } = known;
    const look = () => {
      const isSure = this.#times.after(rendition, playlist.lastPart - 1).every((time) => playlist.add(time, this.#bornMs));
      if (!isSure) return null;
      return playlist.has(msn, part) ? playlist.text : undefined;
    };
    this.#follow(plain, rendition, look, (text) => {
      if (text === null) return ask();
      this.#spared += 1;
      // A loader that has begun by its figures loads nothing any more: they are set at the end.
      stats.loading = { start: begunAt, first: performance.now(), end: performance.now() };
      stats.loaded = stats.total = text.length;
      callbacks.onSuccess({ url: context.url, data: text, code: 200 }, stats, context, null);
    });
  }

  /**
   * The same for a list of captions, which has a text for each whole segment of the first rendition. hls.js loads no text
   * while the player is past the end of the list, as one near the live edge is whenever the list is a little old, and it may
   * come at such moments always. So hls.js is told that the list can be waited for, and then waits here for the head that tells
   * of the next segment's end.
   */
  loadCaptions(plain: PlainLoader, context: PlaylistLoaderContext, ...[how, callbacks]: PlaylistRequest): void {
    const { pathname } = new URL(context.url, document.baseURI);
    const ask = (isTold: boolean) => {
      const onSuccess: typeof callbacks.onSuccess = (response, ...rest) => {
        const data = isTold ? this.#waitable(pathname, response.data) : response.data;
        callbacks.onSuccess({ ...response, data } as typeof response, ...rest);
      };
      plain.load(context, how, { ...callbacks, onSuccess } as unknown as LoaderCallbacks<LoaderContext>);
    };
    const until = this.#captioned.get(pathname);
    if (!context.deliveryDirectives || until === undefined) return ask(true);
    plain.context = context;
    this.#follow(plain, FIRST, () => this.#times.hasEnd(FIRST, until) || undefined, (isTold) => ask(isTold === true));
  }

  /** A list of captions as one that can be waited for, if it tells when it ends and goes on. */
  #waitable(pathname: string, data: unknown): unknown {
    const text = String(data);
    const [, date = "", lastsS] = [...text.matchAll(/#EXT-X-PROGRAM-DATE-TIME:(.*)\n#EXTINF:([\d.]+)/g)].at(-1) ?? [];
    const endMs = Date.parse(date) + Number(lastsS) * 1000 - this.#bornMs;
    if (!Number.isFinite(endMs) || /^#EXT-X-(ENDLIST|SERVER-CONTROL)/m.test(text)) return data;
    this.#captioned.set(pathname, endMs);
    return text.replace("\n", "\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n");
  }

  /** Asks `look` at each part that heads tell of until it finds something, and tells that; or `null`, where it finds that there
   * will be nothing or heads are silent. It is over too when `plain` is told to end. */
  #follow<Found>(
    plain: PlainLoader,
    rendition: number,
    look: () => Found | null | undefined,
    tell: (found: Found | null) => void,
  ): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = () => {
      clearTimeout(timer);
      unlisten();
    };
    const end = (found: Found | null) => {
      over();
      tell(found);
    };
    const ask = () => {
      clearTimeout(timer);
      const found = look();
      if (found !== undefined) end(found);
      else timer = setTimeout(() => end(null), PATIENCE_MS);
    };
    const unlisten = this.#times.listen(rendition, ask);
    // hls.js does not expect an answer before it has asked.
    timer = setTimeout(ask);
    const { abort, destroy } = plain;
    plain.abort = () => (over(), abort.call(plain));
    plain.destroy = () => (over(), destroy.call(plain));
  }

  #read(pathname: string, rendition: number, text: string): void {
    const playlist = Playlist.read(text);
    this.#known.delete(pathname);
    if (!playlist || rendition < 0) return;
    const isLate = playlist.lastPart - this.#times.last(rendition) > LAG_PARTS;
    this.#known.set(pathname, { playlist, readAt: performance.now(), isLate });
  }
}
