/** What an engine is given, and what it reports: the part of it that a page or an adapter sees besides {@link Engine}. */
import type { Engine } from "./engine.js";
import type { Stats } from "./stats.js";
import type { Progress } from "./wishes.js";

/** How an engine is made. Only `index` is needed. */
export interface EngineOptions {
  /** Address of a film's `index.bci`, or of a live stream's `live.bcs`; the segments lie beside it. Where there is no `index.bci`,
   * `live.bcs` is looked for, which takes a live stream one round trip more. */
  index: string;
  /** Address of the tracker; default: `/tracker` on the host of the index. */
  tracker?: string | undefined;
  /** The publisher's public key (43 characters), or where it will come from. With it, an index that it has not signed means:
   * origin only. */
  key?: string | Promise<string> | undefined;
  /** Another name for the swarm, 40 hexadecimal digits; only viewers given the same one meet. */
  swarm?: string | undefined;
  /** `false`: origin only, and nothing is loaded or sent beyond what the player asks for. */
  p2p?: boolean | undefined;
  /** STUN or TURN servers. None by default, and nobody's in particular: who runs one learns of the viewers. */
  iceServers?: RTCIceServer[] | undefined;
  /** Whether to upload. Default: yes, unless the browser reports a metered connection. */
  sharing?: boolean | undefined;
  /** Most to upload, kbit/s. */
  uploadKbps?: number | undefined;
  /** What the player itself has to load first: until it has settled, the engine does not compile its core. */
  after?: Promise<unknown> | undefined;
  /** What the tracker is reached by in place of the browser's WebSocket: `tokenSocket` of `braidcast-tokens.js`, where it asks for tokens. */
  socket?: (new (url: string) => WebSocket) | undefined;
  /** Record what the core is told and wants, for {@link Engine.exportTrace}. */
  record?: boolean | undefined;
  /** Address of `braidcast.wasm`, or the compiled module. Default: beside this script. */
  wasm?: string | URL | WebAssembly.Module | undefined;
  /** The same for live streams: `braidcast-live.wasm`. */
  liveWasm?: string | URL | WebAssembly.Module | undefined;
}

/** What the player asks for. */
export interface LoadRequest {
  /** Address of a segment or `init.mp4` for which {@link Engine.matches} holds. */
  url: string;
  signal?: AbortSignal;
  /** Hears how it goes, as the player's estimator should see it. */
  onProgress?(progress: Progress): void;
}

/** What the engine reports. */
export interface EngineEvents {
  /** The index is checked: other viewers can take part. */
  ready: Engine;
  /** Once a second. */
  stats: Stats;
  /** A viewer has come or gone. */
  peer: { id: number; connected: boolean };
  /** It goes on with the origin alone. */
  fallback: { reason: string };
  /** Another live stream goes on under the name of this one: what plays has to begin anew, with another engine. */
  superseded: undefined;
  /** Something failed that a viewer may notice. */
  error: { message: string };
}
