/** A live stream as hls.js sees it: where on its timeline the player is, and which parts its segments have. */
import type Hls from "hls.js";
import type { LevelDetails } from "hls.js";
import type { PlayerState } from "../page.js";
import type { Segment } from "./stream.js";

/** Older segments are exchanged with nobody. */
const SEGMENTS_SHARED = 64;
/** Durations in playlists are rounded. */
const ROUNDING_S = 0.02;

/** The player's state on the timeline of the stream, which began at `bornMs`; `null` while hls.js does not know where it is. */
export function stateIn(
  hls: Pick<Hls, "liveSyncPosition" | "latestLevelDetails">,
  state: PlayerState,
  bornMs: number,
): PlayerState | null {
  // Before it has anything, it is where it is about to start.
  const at = state.buffered > 0 || state.position > 0 ? state.position : hls.liveSyncPosition;
  const fragments = hls.latestLevelDetails?.fragments ?? [];
  const fragment = fragments.filter(({ start }) => start <= (at ?? 0)).at(-1) ?? fragments[0];
  if (at === null || !fragment?.programDateTime) return null;
  const position = (fragment.programDateTime - bornMs) / 1000 + at - fragment.start;
  return { ...state, position: Math.max(0, position) };
}

/** Says of each complete segment in a playlist when it plays, and which parts it has where the playlist lists them all. */
export function learnParts(
  { fragments, partList }: Pick<LevelDetails, "fragments" | "partList">,
  learn: (segment: Segment) => void,
): void {
  for (const { sn, url, tagList, programDateTime } of fragments.slice(-SEGMENTS_SHARED)) {
    if (!url) continue;
    // As listed: hls.js takes a segment for as long as the parts of it are that it has loaded.
    const duration = Number(tagList.find(([tag]) => tag === "INF")?.[1]);
    const parts = partList?.filter((part) => part.fragment.sn === sn) ?? [];
    const lasts = parts.reduce((sum, part) => sum + part.duration, 0);
    const isWhole = parts.every(({ index }, i) => index === i) && Math.abs(lasts - duration) < ROUNDING_S;
    learn({ url, parts: isWhole ? parts.map((part) => part.url) : [], startMs: programDateTime, lastsMs: duration * 1000 });
  }
}

/** How much further than where a viewer aims to be it may fall behind, beyond what hls.js makes up for by playing faster. */
const SLIPS_S = 0.5;
/** A line or a machine that is too slow is not made quicker by leaping again and again. */
const BETWEEN_LEAPS_MS = 15_000;
/** A step back is one of more than this. */
const BACK_S = 1;

/**
 * Keeps a viewer at the edge who was there: hls.js lets go of one who has fallen behind by more than a segment, and takes it for one who
 * wants to see the past. Who went back, or stopped the picture, is left alone until it has come near the edge again.
 */
export class Follower {
  readonly #hls: Hls;
  #media: HTMLMediaElement | null = null;
  #follows = true;
  #position = 0;
  #leaptAt = -Infinity;

  constructor(hls: Hls) {
    this.#hls = hls;
  }

  /** To be called at least once in a segment. */
  look(now = performance.now()): void {
    const { media, liveSyncPosition: aim, latestLevelDetails: details } = this.#hls;
    if (media !== this.#media) this.#attach(media as HTMLMediaElement | null);
    if (!media || media.seeking || media.readyState === 0 || media.currentTime === 0 || aim === null || !details) return;
    this.#position = media.currentTime;
    if (media.paused) {
      this.#follows = false;
      return;
    }
    const behind = aim - media.currentTime;
    if (behind < details.targetduration / 2) this.#follows = true;
    else if (this.#follows && behind > details.targetduration + SLIPS_S && now - this.#leaptAt >= BETWEEN_LEAPS_MS) {
      this.#leaptAt = now;
      media.currentTime = aim;
    }
  }

  close(): void {
    this.#attach(null);
  }

  #attach(media: HTMLMediaElement | null): void {
    this.#media?.removeEventListener("seeking", this.#sought);
    this.#media = media;
    media?.addEventListener("seeking", this.#sought);
  }

  readonly #sought = (): void => {
    if ((this.#media?.currentTime ?? 0) < this.#position - BACK_S) this.#follows = false;
  };
}
