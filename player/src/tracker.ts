/**
 * The tracker's client: WebTorrent's protocol over one WebSocket, with two additions that other trackers pass over (`want`
 * and offers to a named peer; see `docs/spec/tracker.md`). It loses nothing but newcomers while the tracker is away: links
 * live without it, and it comes back by itself.
 */
import { binaryString } from "./binary.js";

/** An SDP on its way. */
export interface Description {
  type: "offer" | "answer";
  sdp: string;
}

/** An offer made without knowing to whom. */
export interface OpenOffer {
  offer: Description;
  offer_id: string;
}

/** What the tracker brings. */
export interface TrackerEvents {
  /** The connection is there, or gone. */
  state(connected: boolean): void;
  /** How many others are in the swarm. */
  audience(others: number): void;
  /** Whether we may upload, by the rules of where we are. */
  mayUpload(may: boolean): void;
  /** Peers that may be offered a connection. */
  candidates(peers: string[]): void;
  /** The tracker names no candidates: it hands out the offers that come with an announce. */
  classic(): void;
  offer(peer: string, offerId: string, sdp: string): void;
  answer(peer: string, offerId: string, sdp: string): void;
  /** An offer could not be delivered. */
  undeliverable(offerId: string): void;
}

/** What a viewer says of itself. */
export interface Said {
  /** What it is ready to upload, kbit/s. */
  upload_kbps: number;
  /** Where in the film, or the stream, it is. */
  position_ms: number;
}

/** How a tracker is reached. */
export interface TrackerOptions {
  url: string;
  infoHash: Uint8Array;
  peerId: Uint8Array;
  /** What the tracker is told of us, so that it names those whom we are of use to, and who are of use to us. */
  says?: (() => Said) | undefined;
  /** What is used in place of the browser's WebSocket: see `tokens.ts`. */
  socket?: (new (url: string) => WebSocket) | undefined;
  /** For tests: first wait before a reconnect, milliseconds. */
  backoffMs?: number;
}

const MAX_MESSAGE_CHARS = 64 * 1024;
const MAX_CANDIDATES = 50;
/** Taken until the tracker has said how often it wants to hear of us, seconds. */
const FIRST_INTERVAL_S = 30;
const BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 60_000;
/** Announces closer together than this become one. */
const MIN_GAP_MS = 2000;
/** Longest time that a tracker can have us stay away, beside our own. */
const MAX_AWAY_MS = 150_000;
/** Sent elsewhere once, we stay for so long, unless we are let go. */
const DETOUR_GAP_MS = 60_000;

/** One swarm on one tracker. */
export class Tracker {
  readonly #options: TrackerOptions;
  readonly #events: TrackerEvents;
  readonly #infoHash: string;
  readonly #peerId: string;
  #socket: WebSocket | null = null;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #next: ReturnType<typeof setTimeout> | undefined;
  #intervalMs = FIRST_INTERVAL_S * 1000;
  #announcedAt = -Infinity;
  #started = false;
  #want: number | null = null;
  /** What was last asked for; `null`: this viewer has not been announced. */
  #asked: number | null = null;
  #closed = false;
  /** Where the next attempt goes in place of our own tracker, because that one said so. */
  #detour: string | null = null;
  #detouredAt = -Infinity;
  /** We are where we were sent to, and no tracker has answered yet. */
  #isUnproven = false;
  /** There was none: we are sent nowhere any more, or a tracker could have all its viewers call at others' doors. */
  #stays = false;
  /** Whether the tracker hands out offers instead of naming candidates; `null` until it has answered. */
  isClassic: boolean | null = null;

  constructor(options: TrackerOptions, events: TrackerEvents) {
    this.#options = options;
    this.#events = events;
    this.#infoHash = binaryString(options.infoHash);
    this.#peerId = binaryString(options.peerId);
    this.#connect();
  }

  get isConnected(): boolean {
    return this.#socket?.readyState === 1;
  }

  /** Says that we are here and that up to `want` peers would be welcome; at once if possible, else when it can be. */
  announce(want: number): void {
    this.#want = Math.max(this.#want ?? 0, Math.min(want, 20));
    this.#schedule(Math.max(0, this.#announcedAt + MIN_GAP_MS - performance.now()));
  }

  /** An announce that carries offers for whomever the tracker picks. */
  announceOffers(offers: OpenOffer[]): void {
    this.#send({ ...this.#base(), numwant: offers.length, offers });
  }

  /** Offers a connection to one peer. */
  offer(peer: string, offerId: string, sdp: string): boolean {
    return this.#send({ ...this.#own(), to_peer_id: peer, offer: { type: "offer", sdp }, offer_id: offerId });
  }

  /** Answers an offer. */
  answer(peer: string, offerId: string, sdp: string): void {
    this.#send({ ...this.#own(), to_peer_id: peer, answer: { type: "answer", sdp }, offer_id: offerId });
  }

  /** Says goodbye and stays away. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#next);
    if (this.#started) this.#send({ ...this.#base(), event: "stopped", numwant: 0 });
    this.#socket?.close();
    this.#socket = null;
  }

  #own() {
    return { action: "announce", info_hash: this.#infoHash, peer_id: this.#peerId };
  }

  #base() {
    // What was moved is nobody's business but the viewers': the tracker is told nothing. `left` above 0: a viewer.
    return { ...this.#own(), uploaded: 0, downloaded: 0, left: 1, ...this.#options.says?.() };
  }

  #connect(): void {
    let socket: WebSocket;
    const url = this.#detour ?? this.#options.url;
    this.#isUnproven = this.#detour !== null;
    this.#detour = null;
    try {
      socket = new (this.#options.socket ?? WebSocket)(url);
    } catch {
      return this.#lost(); // not an address, or not allowed by the page's policy
    }
    this.#socket = socket;
    const mine = () => this.#socket === socket && !this.#closed;
    socket.onopen = () => {
      if (!mine()) return;
      this.#started = false;
      this.#want ??= this.#asked;
      if (this.#want !== null) this.#schedule(0);
      this.#events.state(true);
    };
    socket.onmessage = (event: MessageEvent) => {
      if (mine() && typeof event.data === "string" && event.data.length <= MAX_MESSAGE_CHARS) this.#message(event.data);
    };
    socket.onclose = ({ reason }) => {
      if (mine()) this.#lost(reason);
    };
    socket.onerror = () => {};
  }

  /** `reason`: what a tracker that stops says in JSON, when and where to go. */
  #lost(reason = ""): void {
    this.#stays ||= this.#isUnproven;
    let said: Record<string, unknown> | null = null;
    try {
      said = JSON.parse(reason) as typeof said;
    } catch {
      // most trackers say nothing
    }
    this.#takeDetour(said?.["go to"]);
    const away = said?.["retry ms"];
    const had = this.#socket !== null && this.#started;
    this.#socket = null;
    clearTimeout(this.#next);
    if (had) this.#failures = 0;
    const first = this.#options.backoffMs ?? BACKOFF_MS;
    const wait = Math.min(first * 2 ** this.#failures, MAX_BACKOFF_MS);
    this.#failures += 1;
    // Half of it is chance, so that the viewers of a tracker that comes back do not all come at once.
    const longer = typeof away === "number" && away > 0 ? Math.min(away, MAX_AWAY_MS) : 0;
    this.#retry = setTimeout(() => this.#connect(), longer + wait / 2 + (Math.random() * wait) / 2);
    this.#events.state(false);
  }

  /** Whether we go where the tracker sends us: another one, and never from a safe line to one that anybody reads. */
  #takeDetour(to: unknown): boolean {
    const { url } = this.#options;
    const goes = typeof to === "string" && to !== url && !this.#stays && /^wss?:/.test(to) && !(/^wss:/.test(url) && /^ws:/.test(to));
    if (goes) {
      this.#detour = to;
      this.#detouredAt = performance.now();
    }
    return goes;
  }

  #schedule(ms: number): void {
    clearTimeout(this.#next);
    this.#next = setTimeout(() => this.#announceNow(), ms);
  }

  #announceNow(): void {
    if (!this.isConnected) return;
    const want = this.#want ?? 0;
    this.#want = null;
    this.#asked = want;
    const event = this.#started ? {} : { event: "started" };
    this.#started = this.#send({ ...this.#base(), ...event, numwant: 0, offers: [], want }) || this.#started;
    this.#announcedAt = performance.now();
    if (want > 0 && this.isClassic) this.#events.classic();
    this.#schedule(this.#intervalMs);
  }

  #send(message: object): boolean {
    if (!this.isConnected) return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  #message(text: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(text) as Record<string, unknown>;
    } catch {
      return;
    }
    if (message?.["action"] !== "announce" || message["info_hash"] !== this.#infoHash) return;
    const { offer_id: offerId, peer_id: peer } = message;
    if (typeof message["failure reason"] === "string") {
      if (typeof offerId === "string") this.#events.undeliverable(offerId);
      else console.warn(`braidcast: the tracker says: ${message["failure reason"]}`);
      return;
    }
    const sdp = (kind: "offer" | "answer"): string | null => {
      const description = message[kind] as Partial<Description> | undefined;
      return typeof description?.sdp === "string" && description.type === kind ? description.sdp : null;
    };
    if (message["offer"] || message["answer"]) {
      if (typeof peer !== "string" || peer === this.#peerId || typeof offerId !== "string") return;
      const [offered, answered] = [sdp("offer"), sdp("answer")];
      if (offered) this.#events.offer(peer, offerId, offered);
      else if (answered) this.#events.answer(peer, offerId, answered);
      return;
    }
    this.#reply(message);
  }

  #reply(message: Record<string, unknown>): void {
    this.#failures = 0;
    this.#isUnproven = false;
    if (performance.now() - this.#detouredAt > DETOUR_GAP_MS && this.#takeDetour(message["go to"])) {
      // Those who are named are named again there.
      const socket = this.#socket;
      this.#send({ ...this.#base(), event: "stopped", numwant: 0 });
      clearTimeout(this.#next);
      this.#connect();
      socket?.close();
      return;
    }
    const { interval, complete, incomplete, candidates } = message;
    if (typeof interval === "number" && interval > 0) {
      this.#intervalMs = Math.min(Math.max(interval, 5), 3600) * 1000;
      // Whoever has asked for peers meanwhile does not wait for so long.
      if (this.#want === null) this.#schedule(Math.max(0, this.#announcedAt + this.#intervalMs - performance.now()));
    }
    if (typeof complete === "number" && typeof incomplete === "number") {
      this.#events.audience(Math.max(0, Math.min(complete + incomplete - 1, 0xffff_ffff)));
    }
    this.#events.mayUpload(message["upload"] !== false);
    if (Array.isArray(candidates)) {
      this.isClassic = false;
      const others = candidates.filter((c): c is string => typeof c === "string" && c !== this.#peerId);
      if (others.length) this.#events.candidates(others.slice(0, MAX_CANDIDATES));
    } else if ((this.#asked ?? 0) > 0) {
      const known = this.isClassic;
      this.isClassic = true;
      if (!known) this.#events.classic();
    }
  }
}
