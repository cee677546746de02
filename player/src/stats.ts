/** What `Engine.stats` says. The names and meanings here are stable. */

/** A rendition as the viewer knows it. */
export interface RenditionInfo {
  /** Its folder in the package, such as `v2`. */
  id: string;
  /** Bits per second. */
  bandwidth: number;
  width: number;
  height: number;
}

/** One connected viewer. */
export interface PeerStats {
  /** The link's number; the same viewer may come back under another. */
  id: number;
  /** The last letters of its peer id: enough to tell two apart, chosen anew at every visit. */
  name: string;
  /** Verified media bytes that came. */
  bytesIn: number;
  /** Media bytes that went. */
  bytesOut: number;
  /** Smoothed time from request to piece. */
  responseMs: number;
  /** Segments it holds. */
  heldSegments: number;
  /** What it is ready to upload, kbit/s; 0: nothing. */
  uploadKbps: number;
  /** Whether this side began the connection. */
  dialled: boolean;
}

/** Everything measured so far. Bytes are of media; seconds are real time unless said otherwise. */
export interface Stats {
  /** From the start of loading to the moving picture; `null` before that. */
  startupMs: number | null;
  /** Times the picture stopped for want of data. */
  stalls: number;
  stalledSeconds: number;
  /** Film time played. */
  playedSeconds: number;
  /** What plays now; `null` before anything does. */
  rendition: RenditionInfo | null;
  /** Received from the origin or the CDN before it. */
  bytesFromOrigin: number;
  /** Received from other viewers, and verified. */
  bytesFromPeers: number;
  /** Sent to other viewers. */
  bytesToPeers: number;
  /** Received and of no use: twice there, broken off, or dropped or passed by before the player had a use for it. */
  bytesWasted: number;
  /** Received and thrown away because it was not what the publisher signed; captions are counted too. */
  bytesRefused: number;
  /** How many pieces that was. */
  refused: number;
  /** Of a live stream: older than signed heads go back, taken from the origin at its word, and shared with nobody. */
  bytesUnchecked: number;
  /** Seconds behind the edge of the live stream; `null` in a film. */
  latencyS: number | null;
  /** Parts of the live stream that the player was given, and those of them that came from other viewers whole. */
  parts: number;
  partsFromPeers: number;
  /** Playlists of the live stream that heads answered for: requests that the origin was spared. */
  playlistsSpared: number;
  /** Connected viewers. */
  peersConnected: number;
  /** How many viewers there are, this one included, as the tracker says; `null` while it is not known. */
  audience: number | null;
  /** How many copies of what is watched leave the origin for all viewers together, if all do as this one; `null`
   * while it is not known. With the origin alone it is the number of viewers. */
  originCopies: number | null;
  /** Whether other viewers take part. */
  state: "starting" | "p2p" | "origin-only";
  /** Why the origin is alone; `null` otherwise. */
  reason: string | null;
  /** Whether the tracker is reached at this moment. */
  trackerConnected: boolean;
  /** Whether this viewer uploads, and at most how fast. */
  sharing: boolean;
  uploadKbps: number;
  /** Throughput of the path as the player is told, bits a second; `null` while unknown. */
  pathBps: number | null;
  /** Media held in memory, bytes. */
  bytesHeld: number;
  peers: PeerStats[];
  /** Time spent in the engine on the main thread, checks included. */
  engineCpuMs: number;
}

/** Bytes counted where they pass. */
export interface Counters {
  origin: number;
  peers: number;
  toPeers: number;
  wasted: number;
  refused: number;
  refusedPieces: number;
  unchecked: number;
}

/** The time spent in whatever is run through it; what runs inside another run counts once. */
export class Meter {
  ms = 0;
  #depth = 0;

  run<T>(work: () => T): T {
    const begun = this.#depth++ === 0 ? performance.now() : null;
    try {
      return work();
    } finally {
      this.#depth -= 1;
      if (begun !== null) this.ms += performance.now() - begun;
    }
  }
}
