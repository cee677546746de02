/**
 * One media playlist of a live stream, carried on by what signed heads tell. Its invariant: what it says the origin's own answer says
 * too; where heads do not tell all of it, it says nothing.
 */
import { ENDS_SEGMENT, INDEPENDENT, IS_MARKED, type Time } from "./times.js";

/** Tags that stand before the segments, and are of the playlist as a whole. */
const HEADER = /^#(EXTM3U|EXT-X-(VERSION|TARGETDURATION|SERVER-CONTROL|PART-INF|MEDIA-SEQUENCE|DISCONTINUITY-SEQUENCE|INDEPENDENT-SEGMENTS))/;
/** Tags that stand after them, and are true of one moment. */
const EDGE = /^#EXT-X-(PRELOAD-HINT|RENDITION-REPORT)/;

interface Segment {
  sequence: number;
  map: string;
  lines: string[];
  parts: number;
  lastsS: number;
  isWhole: boolean;
}

/** A playlist as it was read, and what came after. */
export class Playlist {
  readonly #header: string[] = [];
  readonly #first: number;
  readonly #skipUntilS: number;
  /** Those that a delta update lists. */
  readonly #segments: Segment[] = [];
  /** Date ranges of what it skips stay in it (RFC 8216bis section 6.2.5.1). */
  readonly #ranges: string[] = [];
  #lastPart = 0;
  /** Whether heads have told how the last part is cut: an origin may list a segment's last part before it lists the segment. */
  #isToldOfLast = false;
  /** What addresses of media end with: see docs/spec/live.md. */
  #query = "";

  private constructor(text: string) {
    const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? NaN);
    this.#first = number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)/m);
    this.#skipUntilS = number(/CAN-SKIP-UNTIL=([\d.]+)/);
    let [sequence, map] = [this.#first + (number(/^#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)/m) || 0), ""];
    let open: Segment | null = null;
    for (const line of text.split("\n")) {
      if (HEADER.test(line)) this.#header.push(line);
      else if (line.startsWith("#EXT-X-MAP:")) map = line;
      else if (line && !EDGE.test(line) && !line.startsWith("#EXT-X-SKIP:")) {
        open ??= { sequence, map: "", lines: [], parts: 0, lastsS: 0, isWhole: false };
        open.lines.push(line);
        const [, part, query] = /^#EXT-X-PART:.*URI="part\/(\d+)\.m4s(\?[^"]*)?"/.exec(line) ?? [];
        if (part) {
          [this.#lastPart, this.#query] = [Number(part), query ?? ""];
          open.parts += 1;
          open.lastsS += Number(/DURATION=([\d.]+)/.exec(line)?.[1] ?? 0);
        }
        const [, lasts] = /^#EXTINF:([\d.]+)/.exec(line) ?? [];
        if (lasts) open.lastsS = Number(lasts);
        if (line.startsWith("#")) continue;
        this.#segments.push({ ...open, map, isWhole: true });
        [open, sequence] = [null, sequence + 1];
      }
    }
    if (open?.parts) this.#segments.push({ ...open, map });
    this.#forget();
  }

  /** A playlist of the origin's; `null` if it is none that can be carried on. */
  static read(text: string): Playlist | null {
    const playlist = text.includes("\n#EXT-X-ENDLIST") ? null : new Playlist(text);
    return playlist && playlist.#lastPart > 0 && playlist.#first >= 0 && playlist.#skipUntilS > 0 ? playlist : null;
  }

  /** The last part that it lists, by its number in the stream. */
  get lastPart(): number {
    return this.#lastPart;
  }

  /** Takes in what heads tell of the last part, or of the one after it; `false`: the origin has to be asked. */
  add({ sequence, startMs, endMs, cut }: Time, bornMs: number): boolean {
    if (sequence < this.#lastPart) return true;
    let segment = this.#segments.at(-1);
    if (!segment) return false;
    if (sequence > this.#lastPart) {
      if (sequence > this.#lastPart + 1 || cut & IS_MARKED || !(segment.isWhole || this.#isToldOfLast)) return false;
      if (segment.isWhole) {
        const date = `#EXT-X-PROGRAM-DATE-TIME:${new Date(bornMs + startMs).toISOString()}`;
        segment = { sequence: segment.sequence + 1, map: segment.map, lines: [date], parts: 0, lastsS: 0, isWhole: false };
        this.#segments.push(segment);
      }
      const lastsS = (endMs - startMs) / 1000;
      const independent = cut & INDEPENDENT ? ",INDEPENDENT=YES" : "";
      segment.lines.push(`#EXT-X-PART:DURATION=${lastsS},URI="part/${sequence}.m4s${this.#query}"${independent}`);
      segment.parts += 1;
      segment.lastsS += lastsS;
      this.#lastPart = sequence;
    }
    this.#isToldOfLast = true;
    if (cut & ENDS_SEGMENT && !segment.isWhole) {
      segment.isWhole = true;
      segment.lines.push(`#EXTINF:${segment.lastsS.toFixed(3)},`, `${segment.sequence}.m4s${this.#query}`);
      this.#forget();
    }
    return true;
  }

  /** Whether it has that part of that segment (RFC 8216bis section 6.2.5.2); without a part, all of the segment. */
  has(segment: number, part: number | undefined): boolean {
    const last = this.#segments.at(-1);
    if (!last || last.sequence !== segment) return (last?.sequence ?? -1) > segment;
    return part === undefined ? last.isWhole : last.parts > part;
  }

  /** Lists no more than a delta update has to. */
  #forget(): void {
    let restS = this.#segments.reduce((sum, { lastsS }) => sum + lastsS, 0);
    for (let oldest = this.#segments[0]; oldest && (restS -= oldest.lastsS) > this.#skipUntilS; oldest = this.#segments[0]) {
      this.#segments.shift();
      this.#ranges.push(...oldest.lines.filter((line) => line.startsWith("#EXT-X-DATERANGE")));
    }
  }

  /** As a delta update. */
  get text(): string {
    const lines = [...this.#header];
    const [oldest] = this.#segments;
    const skipped = (oldest?.sequence ?? 0) - this.#first;
    if (skipped > 0) lines.push(`#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}`, ...this.#ranges);
    let map = "";
    for (const segment of this.#segments) {
      if (segment.map !== map) lines.push((map = segment.map));
      lines.push(...segment.lines);
    }
    return [...lines, `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part/${this.#lastPart + 1}.m4s${this.#query}"`, ""].join("\n");
  }
}
