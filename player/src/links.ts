/**
 * Connections to other viewers: one peer connection with one reliable, ordered data channel each, set up without trickle so
 * that any WebTorrent tracker can carry the offers. A link is named by a number that is never used again. Every list here
 * has a bound, and whatever does not open in time is closed.
 */
import { randomText } from "./binary.js";
import type { Description, OpenOffer } from "./tracker.js";

/** What links report. */
export interface LinkEvents {
  up(link: number, peer: string, dialled: boolean): void;
  down(link: number): void;
  message(link: number, data: ArrayBuffer): void;
  /** A link takes this many bytes before it would queue more than it should. */
  room(link: number, bytes: number): void;
  dialFailed(peer: string): void;
}

/** Bytes a link may have queued: what two round trips carry, and little enough to stop within a second. */
export const LINK_ROOM = 128 * 1024;
/** Below this a link is worth refilling at once. */
const LOW_WATER = 64 * 1024;
const OPEN_WITHIN_MS = 15_000;
const OFFER_LIVES_MS = 50_000;
const GATHER_MS = 1000;
/** A path that fails may come back within this. */
const PATIENCE_MS = 5000;
const MAX_CONNECTIONS = 48;
const MAX_ANSWERING = 8;
const MAX_OPEN_OFFERS = 5;
const MAX_SDP_CHARS = 16 * 1024;
const MAX_CANDIDATES = 24;

interface Link {
  connection: RTCPeerConnection;
  channel: RTCDataChannel;
  peer: string;
  /** The room last reported. */
  room: number;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

interface Pending {
  connection: RTCPeerConnection;
  /** `null`: an offer for whomever the tracker picks. */
  peer: string | null;
  dialled: boolean;
  timer: ReturnType<typeof setTimeout>;
}

/** All connections of one viewer. */
export class Links {
  readonly #events: LinkEvents;
  readonly #configuration: RTCConfiguration;
  readonly #links = new Map<number, Link>();
  /** By offer id; those being answered under the offerer's id before it. */
  readonly #pending = new Map<string, Pending>();
  #last = 0;
  #closed = false;

  constructor(events: LinkEvents, iceServers: RTCIceServer[]) {
    this.#events = events;
    this.#configuration = { iceServers };
  }

  get size(): number {
    return this.#links.size;
  }

  /** Who is at the other end. */
  peerOf(link: number): string | undefined {
    return this.#links.get(link)?.peer;
  }

  /** Bytes queued on a link. */
  queued(link: number): number {
    return this.#links.get(link)?.channel.bufferedAmount ?? 0;
  }

  /** Makes an offer to one peer; `send` says whether it could be sent. Ends in `up` or `dialFailed`. */
  async dial(peer: string, send: (offerId: string, sdp: string) => boolean): Promise<void> {
    const offer = await this.#offer(peer, OPEN_WITHIN_MS);
    if (!offer) return this.#events.dialFailed(peer);
    if (!send(offer.offer_id, offer.offer.sdp)) this.#drop(offer.offer_id);
  }

  /** Offers for whomever the tracker picks; older ones that nobody took are withdrawn. */
  async openOffers(count: number): Promise<OpenOffer[]> {
    const open = [...this.#pending].filter(([, pending]) => pending.peer === null);
    const want = Math.min(count, MAX_OPEN_OFFERS);
    open.slice(0, Math.max(0, open.length + want - MAX_OPEN_OFFERS)).forEach(([id]) => this.#drop(id));
    const offers = await Promise.all(Array.from({ length: want }, () => this.#offer(null, OFFER_LIVES_MS)));
    return offers.filter((offer) => offer !== null);
  }

  /** Somebody offers a connection; `answer` sends the answer back. */
  async handleOffer(peer: string, offerId: string, sdp: string, answer: (sdp: string) => unknown): Promise<void> {
    const id = `${peer} ${offerId}`;
    const answering = [...this.#pending.values()].filter((pending) => !pending.dialled).length;
    if (answering >= MAX_ANSWERING || this.#pending.has(id) || !isSane(sdp)) return;
    const connection = this.#connection();
    if (!connection) return;
    const timer = setTimeout(() => this.#drop(id), OPEN_WITHIN_MS);
    this.#pending.set(id, { connection, peer, dialled: false, timer });
    connection.ondatachannel = ({ channel }) => this.#watch(id, channel);
    try {
      await connection.setRemoteDescription({ type: "offer", sdp });
      await connection.setLocalDescription(await connection.createAnswer());
      const description = await this.#gathered(connection);
      if (this.#pending.has(id)) answer(description.sdp);
    } catch {
      this.#drop(id);
    }
  }

  /** The answer to an offer of ours. */
  async handleAnswer(peer: string, offerId: string, sdp: string): Promise<void> {
    const pending = this.#pending.get(offerId);
    const fits = pending?.dialled && (pending.peer === null || pending.peer === peer);
    if (!pending || !fits || !isSane(sdp) || pending.connection.signalingState !== "have-local-offer") return;
    if (pending.peer === null) {
      pending.peer = peer;
      clearTimeout(pending.timer);
      pending.timer = setTimeout(() => this.#drop(offerId), OPEN_WITHIN_MS);
    }
    try {
      await pending.connection.setRemoteDescription({ type: "answer", sdp });
    } catch {
      this.#drop(offerId);
    }
  }

  /** An offer of ours did not reach anybody. */
  handleUndeliverable(offerId: string): void {
    if (this.#pending.get(offerId)?.dialled) this.#drop(offerId);
  }

  /** Sends one message; `false` if the link is gone. */
  send(link: number, message: Uint8Array<ArrayBuffer>): boolean {
    const channel = this.#links.get(link)?.channel;
    if (channel?.readyState !== "open") return false;
    try {
      channel.send(message);
    } catch {
      return false; // its queue is full beyond all reason: the link will be reported down
    }
    return true;
  }

  /** Reports how much a link takes now. */
  reportRoom(link: number): void {
    const entry = this.#links.get(link);
    if (!entry) return;
    entry.room = Math.max(0, LINK_ROOM - entry.channel.bufferedAmount);
    this.#events.room(link, entry.room);
  }

  /** Reports the links that have got rid of something since: what never reached the low water mark makes no event. */
  reportDrained(): void {
    for (const [link, { room, channel }] of this.#links) {
      if (room < LINK_ROOM && LINK_ROOM - channel.bufferedAmount > room) this.reportRoom(link);
    }
  }

  /** Closes a link; no `down` follows. What is still queued is sent if it takes no longer than a moment. */
  hangUp(link: number): void {
    const gone = this.#links.get(link);
    if (!gone) return;
    this.#links.delete(link);
    clearTimeout(gone.timer);
    gone.channel.onclose = gone.channel.onmessage = gone.channel.onbufferedamountlow = null;
    gone.connection.onconnectionstatechange = null;
    gone.channel.close();
    setTimeout(() => gone.connection.close(), 100);
  }

  /** Closes everything at once. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#pending.keys()]) this.#drop(id);
    for (const [link, { connection }] of [...this.#links]) {
      this.hangUp(link);
      connection.close();
    }
  }

  #connection(): RTCPeerConnection | null {
    if (this.#closed || this.#links.size + this.#pending.size >= MAX_CONNECTIONS) return null;
    try {
      return new RTCPeerConnection(this.#configuration);
    } catch {
      return null; // not available here, or too many in this browser
    }
  }

  async #offer(peer: string | null, livesMs: number): Promise<OpenOffer | null> {
    const connection = this.#connection();
    if (!connection) return null;
    const id = randomText(20);
    const timer = setTimeout(() => this.#drop(id), livesMs);
    this.#pending.set(id, { connection, peer, dialled: true, timer });
    this.#watch(id, connection.createDataChannel(randomText(20)));
    try {
      await connection.setLocalDescription(await connection.createOffer());
      const offer = await this.#gathered(connection);
      return this.#pending.has(id) ? { offer, offer_id: id } : null;
    } catch {
      this.#drop(id, false);
      return null;
    }
  }

  /** The local description once it has the candidates worth waiting for. */
  #gathered(connection: RTCPeerConnection): Promise<Description> {
    const hasServers = (this.#configuration.iceServers?.length ?? 0) > 0;
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        connection.removeEventListener("icegatheringstatechange", check);
        connection.removeEventListener("icecandidate", check);
        const description = connection.localDescription;
        if (!description) return reject(new Error("closed meanwhile"));
        const sdp = description.sdp.replace(/^a=ice-options:trickle\r?\n/m, "");
        resolve({ type: description.type as Description["type"], sdp });
      };
      const check = (event?: Event) => {
        const candidate = (event as RTCPeerConnectionIceEvent | undefined)?.candidate;
        const isOutside = hasServers && candidate?.type === "srflx";
        if (connection.iceGatheringState === "complete" || isOutside || connection.signalingState === "closed") done();
      };
      const timer = setTimeout(done, GATHER_MS);
      connection.addEventListener("icegatheringstatechange", check);
      connection.addEventListener("icecandidate", check);
      check();
    });
  }

  #watch(id: string, channel: RTCDataChannel): void {
    channel.binaryType = "arraybuffer";
    const opened = () => this.#opened(id, channel);
    // A channel that comes in may be open already, and may not be used before this turn has ended.
    if (channel.readyState === "open") setTimeout(opened);
    else channel.onopen = opened;
  }

  #opened(id: string, channel: RTCDataChannel): void {
    const pending = this.#pending.get(id);
    if (!pending || pending.peer === null) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    const { connection, peer, dialled } = pending;
    const link = ++this.#last;
    const entry: Link = { connection, channel, peer, room: 0 };
    this.#links.set(link, entry);
    channel.bufferedAmountLowThreshold = LOW_WATER;
    channel.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#events.message(link, data);
    };
    channel.onbufferedamountlow = () => this.reportRoom(link);
    channel.onclose = () => this.#lost(link);
    connection.onconnectionstatechange = () => {
      clearTimeout(entry.timer);
      const state = connection.connectionState;
      if (state === "failed" || state === "closed") this.#lost(link);
      if (state === "disconnected") entry.timer = setTimeout(() => this.#lost(link), PATIENCE_MS);
    };
    this.#events.up(link, peer, dialled);
    this.reportRoom(link);
  }

  #lost(link: number): void {
    if (!this.#links.has(link)) return;
    this.hangUp(link);
    this.#events.down(link);
  }

  #drop(id: string, tell = true): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.connection.ondatachannel = null;
    pending.connection.close();
    if (tell && pending.dialled && pending.peer !== null && !this.#closed) this.#events.dialFailed(pending.peer);
  }
}

/** Whether an SDP from a stranger is worth a look: one data section, and no more addresses to try than an honest one has. */
function isSane(sdp: string): boolean {
  return (
    sdp.length <= MAX_SDP_CHARS &&
    (sdp.match(/^m=/gm)?.length ?? 0) === 1 &&
    /^m=application /m.test(sdp) &&
    (sdp.match(/^a=candidate:/gm)?.length ?? 0) <= MAX_CANDIDATES
  );
}
