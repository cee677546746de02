/**
 * The Rust core in its WASM module. The module imports nothing, so whatever it knows it was told here: it gets the time,
 * and gives back what is to be done, which is carried out before the call returns.
 */
import { SIGNALS, carryOut, renditionOf, sequenceOf, type Carrier, type SegmentKey } from "./ops.js";

interface Exports {
  memory: WebAssembly.Memory;
  braidcast_input(length: number): number;
  braidcast_open(now: number, key: number, index: number, seed: number, upload: number, record: number): number;
  braidcast_wake(now: number): void;
  braidcast_player(now: number, position: number, buffered: number, playing: number, rate: number): void;
  braidcast_want(now: number, rendition: number, sequence: number): void;
  braidcast_unwant(now: number, rendition: number, sequence: number): void;
  braidcast_sharing(now: number, upload: number): void;
  braidcast_audience(now: number, others: number): void;
  braidcast_origin_rate(now: number, bytesPerS: number): void;
  braidcast_strangers(now: number, count: number): void;
  braidcast_link_up(now: number, link: number, dialled: number): void;
  braidcast_link_down(now: number, link: number): void;
  braidcast_link_room(now: number, link: number, room: number): void;
  braidcast_dial_failed(now: number): void;
  braidcast_signal(now: number, kind: number, length: number): number;
  braidcast_message(now: number, link: number, length: number): void;
  braidcast_origin_piece(now: number, rendition: number, sequence: number, piece: number, length: number): number;
  braidcast_origin_again(rendition: number, sequence: number): void;
  braidcast_origin_end(now: number, rendition: number, sequence: number, complete: number, forged: number): void;
  braidcast_is_init(rendition: number, length: number): number;
  braidcast_is_segment(rendition: number, sequence: number, length: number): number;
  braidcast_is_text(nameLength: number, length: number): number;
  braidcast_wake_at(): number;
  braidcast_words(): number;
  braidcast_words_len(): number;
  braidcast_bytes(): number;
  braidcast_bytes_len(): number;
  braidcast_read(what: number): number;
  braidcast_text(): number;
  braidcast_segments(rendition: number): number;
  braidcast_snapshot(): number;
  braidcast_figures(): number;
  // In the module for live streams only.
  braidcast_open_live(now: number, wall: number, key: number, description: number, seed: number, upload: number): number;
  braidcast_heads(now: number, length: number): number;
  braidcast_describe(length: number): number;
  braidcast_part_size(rendition: number, sequence: number): number;
}

/** One rendition of the index. */
export interface Rendition {
  id: string;
  kind: "video" | "audio";
  /** Average bits per second. */
  bandwidth: number;
  /** Bytes of each segment; the first has the sequence 1. Empty in a live stream. */
  sizes: number[];
  /** When each segment starts in the film, seconds; one more entry than segments, for the end. */
  starts: number[];
}

/** What the index says. */
export interface Film {
  pieceLength: number;
  /** The tracker's `info_hash`: 20 bytes. */
  swarm: Uint8Array;
  renditions: Rendition[];
}

/** What the core knows about one neighbour. */
export interface Neighbour {
  link: number;
  bytesIn: number;
  bytesOut: number;
  /** Smoothed time from request to piece. */
  responseMs: number;
  heldSegments: number;
  uploadKbps: number;
}

/** What the core knows about itself. */
export interface Snapshot {
  /** Throughput while anything was asked for, bits a second; `null` until enough has come. */
  pathBps: number | null;
  /** The rendition, by place in the index, that a neighbour who keeps for others can get for all and gives us fast enough; or, where its
   * line is thin, has chosen for all. */
  offered: { rendition: number; forAll: boolean } | null;
  heldBytes: number;
  duplicateBytes: number;
  refused: number;
  wants: number;
  fetching: number;
  neighbours: Neighbour[];
}

/** How a core is opened. */
export interface Opening {
  /** The index; of a live stream the description. */
  index: Uint8Array;
  isLive: boolean;
  /** The publisher's key; without one any index is taken. */
  key?: string | undefined;
  /** Our peer id, 20 bytes. */
  me: Uint8Array;
  /** Any number; the core's only chance. */
  seed: number;
  /** Bytes a second; 0 shares nothing. */
  upload: number;
  record: boolean;
}

/** Compiles the module, while it is still arriving where that is possible, but not before `after` has settled. It gives way
 * to whatever plays. */
export async function compile(
  url: string | URL,
  after?: Promise<unknown>,
  signal?: AbortSignal,
): Promise<WebAssembly.Module> {
  const request = fetch(url, { priority: "low", signal } as RequestInit);
  const [response] = await Promise.all([request, Promise.allSettled([after])]);
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  if (WebAssembly.compileStreaming && response.headers.get("content-type")?.startsWith("application/wasm")) {
    return WebAssembly.compileStreaming(response);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}

/** One viewer of one film. */
export class Core {
  readonly #wasm: Exports;
  readonly #carrier: Carrier;
  readonly film: Film;

  private constructor(wasm: Exports, carrier: Carrier) {
    this.#wasm = wasm;
    this.#carrier = carrier;
    this.film = this.#describe();
  }

  /** Opens the index; an error says why it is refused. The first batch waits for {@link Core.flush}. */
  static async open(module: WebAssembly.Module, opening: Opening, carrier: Carrier): Promise<Core> {
    const instance = await WebAssembly.instantiate(module, {});
    const wasm = instance.exports as unknown as Exports;
    const key = new TextEncoder().encode(opening.key ?? "");
    const length = 20 + key.length + opening.index.length;
    const at = wasm.braidcast_input(length);
    if (at === 0) throw new Error("the index is larger than any index can be");
    const input = new Uint8Array(wasm.memory.buffer, at, length);
    input.set(opening.me);
    input.set(key, 20);
    input.set(opening.index, 20 + key.length);
    const { seed, upload, record } = opening;
    const [now, bytes] = [performance.now(), opening.index.length];
    const refused = opening.isLive
      ? wasm.braidcast_open_live(now, Date.now(), key.length, bytes, seed, upload)
      : wasm.braidcast_open(now, key.length, bytes, seed, upload, Number(record));
    if (refused !== 0) {
      throw new Error(new TextDecoder().decode(read(wasm, 0)));
    }
    return new Core(wasm, carrier);
  }

  /** Carries out what the last call left. */
  flush(): void {
    const wasm = this.#wasm;
    const count = wasm.braidcast_words_len();
    if (count === 0) return;
    // Copies: what is carried out may call back in, which would overwrite the originals.
    const words = new Uint32Array(wasm.memory.buffer, wasm.braidcast_words(), count).slice();
    const bytes = new Uint8Array(wasm.memory.buffer, wasm.braidcast_bytes(), wasm.braidcast_bytes_len()).slice();
    carryOut(words, bytes, this.#carrier);
  }

  /** When {@link Core.wake} is to be called, on the clock of `performance.now()`. */
  wakeAt(): number {
    return this.#wasm.braidcast_wake_at();
  }

  wake(): void {
    this.#wasm.braidcast_wake(performance.now());
    this.flush();
  }

  player(position: number, buffered: number, playing: boolean, rate: number): void {
    this.#wasm.braidcast_player(performance.now(), position, buffered, Number(playing), rate);
    this.flush();
  }

  want(segment: SegmentKey): void {
    this.#wasm.braidcast_want(performance.now(), renditionOf(segment), sequenceOf(segment));
    this.flush();
  }

  unwant(segment: SegmentKey): void {
    this.#wasm.braidcast_unwant(performance.now(), renditionOf(segment), sequenceOf(segment));
    this.flush();
  }

  /** Bytes a second; 0 shares nothing. */
  sharing(upload: number): void {
    this.#wasm.braidcast_sharing(performance.now(), Math.min(upload, 0xffff_ffff));
    this.flush();
  }

  audience(others: number): void {
    this.#wasm.braidcast_audience(performance.now(), others);
    this.flush();
  }

  /** What the origin was seen to send by fetches that the core did not order. */
  originRate(bytesPerS: number): void {
    this.#wasm.braidcast_origin_rate(performance.now(), Math.min(Math.round(bytesPerS), 0xffff_ffff));
    this.flush();
  }

  /** Ids of 20 bytes each. */
  strangers(peers: Uint8Array[]): void {
    this.#input(peers.length * 20, (input) => peers.forEach((peer, i) => input.set(peer, i * 20)));
    this.#wasm.braidcast_strangers(performance.now(), peers.length);
    this.flush();
  }

  linkUp(link: number, peer: Uint8Array, dialled: boolean): void {
    this.#input(20, (input) => input.set(peer));
    this.#wasm.braidcast_link_up(performance.now(), link, Number(dialled));
    this.flush();
  }

  linkDown(link: number): void {
    this.#wasm.braidcast_link_down(performance.now(), link);
    this.flush();
  }

  linkRoom(link: number, room: number): void {
    this.#wasm.braidcast_link_room(performance.now(), link, room);
    this.flush();
  }

  dialFailed(peer: Uint8Array): void {
    this.#input(20, (input) => input.set(peer));
    this.#wasm.braidcast_dial_failed(performance.now());
    this.flush();
  }

  /** Has a neighbour carry an offer of ours or an answer to one of theirs; `false` if none does: it is for the tracker. */
  signal(kind: "offer" | "answer", peer: Uint8Array, offerId: Uint8Array, sdp: string): boolean {
    const text = new TextEncoder().encode(sdp);
    this.#input(40 + text.length, (input) => {
      input.set(peer);
      input.set(offerId, 20);
      input.set(text, 40);
    });
    const carried = this.#wasm.braidcast_signal(performance.now(), SIGNALS.indexOf(kind), 40 + text.length) !== 0;
    this.flush();
    return carried;
  }

  message(link: number, message: Uint8Array): void {
    this.#input(message.length, (input) => input.set(message));
    this.#wasm.braidcast_message(performance.now(), link, message.length);
    this.flush();
  }

  /** Whether a piece that came from the origin, or the fetch it belongs to, is the publisher's as far as can be said. */
  originPiece(segment: SegmentKey, piece: number, bytes: Uint8Array): boolean {
    this.#input(bytes.length, (input) => input.set(bytes));
    const [rendition, sequence] = [renditionOf(segment), sequenceOf(segment)];
    const good = this.#wasm.braidcast_origin_piece(performance.now(), rendition, sequence, piece, bytes.length) !== 0;
    this.flush();
    return good;
  }

  /** Forgets what a fetch has brought so far: it begins again. */
  originAgain(segment: SegmentKey): void {
    this.#wasm.braidcast_origin_again(renditionOf(segment), sequenceOf(segment));
  }

  originEnd(segment: SegmentKey, complete: boolean, forged: boolean): void {
    const [rendition, sequence] = [renditionOf(segment), sequenceOf(segment)];
    this.#wasm.braidcast_origin_end(performance.now(), rendition, sequence, Number(complete), Number(forged));
    this.flush();
  }

  isInit(rendition: number, bytes: Uint8Array): boolean {
    this.#input(bytes.length, (input) => input.set(bytes));
    return this.#wasm.braidcast_is_init(rendition, bytes.length) !== 0;
  }

  isSegment(segment: SegmentKey, bytes: Uint8Array): boolean {
    this.#input(bytes.length, (input) => input.set(bytes));
    return this.#wasm.braidcast_is_segment(renditionOf(segment), sequenceOf(segment), bytes.length) !== 0;
  }

  /** Whether the publisher has signed captions or subtitles under this name. */
  isText(name: string, bytes: Uint8Array): boolean {
    const named = new TextEncoder().encode(name);
    this.#input(named.length + bytes.length, (input) => {
      input.set(named);
      input.set(bytes, named.length);
    });
    return this.#wasm.braidcast_is_text(named.length, bytes.length) !== 0;
  }

  /** The origin's answer to {@link Carrier.askHeads}; says why one of it was refused. */
  heads(bytes: Uint8Array): string | null {
    this.#input(bytes.length, (input) => input.set(bytes));
    const refused = this.#wasm.braidcast_heads(performance.now(), bytes.length) !== 0;
    const why = refused ? new TextDecoder().decode(read(this.#wasm, 0)) : null;
    this.flush();
    return why;
  }

  /** A newer description of the live stream; says whether it is one. */
  describe(bytes: Uint8Array): boolean {
    this.#input(bytes.length, (input) => input.set(bytes));
    return this.#wasm.braidcast_describe(bytes.length) !== 0;
  }

  /** Bytes of a part that a head has told of; 0 for any other. */
  partSize(part: SegmentKey): number {
    return this.#wasm.braidcast_part_size(renditionOf(part), sequenceOf(part));
  }

  snapshot(): Snapshot {
    const figures = this.#figures(this.#wasm.braidcast_snapshot());
    const [path = NaN, heldBytes = 0, duplicateBytes = 0, refused = 0, wants = 0, fetching = 0, rendition = NaN, forAll = 0] = figures;
    const neighbours: Neighbour[] = [];
    for (let at = 8; at + 6 <= figures.length; at += 6) {
      const [link = 0, bytesIn = 0, bytesOut = 0, responseMs = 0, heldSegments = 0, uploadKbps = 0] = figures.slice(at);
      neighbours.push({ link, bytesIn, bytesOut, responseMs, heldSegments, uploadKbps });
    }
    const pathBps = Number.isNaN(path) ? null : path;
    const offered = Number.isNaN(rendition) ? null : { rendition, forAll: forAll !== 0 };
    return { pathBps, offered, heldBytes, duplicateBytes, refused, wants, fetching, neighbours };
  }

  /** Everything the core was told and wanted so far, if it was opened to record. */
  trace(): Uint8Array {
    return read(this.#wasm, 2);
  }

  #input(length: number, fill: (input: Uint8Array) => void): void {
    const at = this.#wasm.braidcast_input(length);
    if (at === 0) throw new RangeError("more than the core takes in one call");
    fill(new Uint8Array(this.#wasm.memory.buffer, at, length));
  }

  #figures(count: number): Float64Array {
    return new Float64Array(this.#wasm.memory.buffer, this.#wasm.braidcast_figures(), count).slice();
  }

  #describe(): Film {
    const [head = "", ...lines] = new TextDecoder().decode(read(this.#wasm, 1)).trimEnd().split("\n");
    const [pieceLength = "0", swarm = ""] = head.split(" ");
    const renditions = lines.map((line, i): Rendition => {
      const [id = "", kind, bandwidth] = line.split(" ");
      const figures = this.#figures(this.#wasm.braidcast_segments(i));
      const sizes: number[] = [];
      const starts = [0];
      for (let at = 0; at < figures.length; at += 2) {
        sizes.push(figures[at] ?? 0);
        starts.push((starts[starts.length - 1] ?? 0) + (figures[at + 1] ?? 0));
      }
      return { id, kind: kind === "audio" ? "audio" : "video", bandwidth: Number(bandwidth), sizes, starts };
    });
    const bytes = Uint8Array.from(swarm.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    return { pieceLength: Number(pieceLength), swarm: bytes, renditions };
  }
}

function read(wasm: Exports, what: number): Uint8Array {
  const length = wasm.braidcast_read(what);
  return new Uint8Array(wasm.memory.buffer, wasm.braidcast_text(), length).slice();
}
