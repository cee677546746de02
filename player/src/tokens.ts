/**
 * Tokens, for pages whose tracker lets in only whom their own server has let in (`docs/spec/access.md`). A module of its own, so that only
 * those pages load it:
 *
 * ```js
 * import { useTokens } from "/player/braidcast-tokens.js";
 * useTokens(document.querySelector("braidcast-player"), "/token");
 * ```
 *
 * It stands between the tracker's client and its WebSocket, and knows three things of what goes through: the tracker's challenge,
 * announces, and what becomes of them. Its invariant: a token goes out once, and no announce that needs one goes out without. If there is
 * none to be had, the viewer plays from the origin, as if nobody else were there.
 */
import { binaryBytes } from "./binary.js";

/** What a token is asked for. */
export interface Wanted {
  /** The public key of this visit, 43 characters: what the server puts into the token as `cnf.jwk.x`. */
  viewer: string;
  /** The swarm that is to be joined, 40 hexadecimal digits. */
  swarm: string;
}

/** Gives tokens: asks the page's own server, which knows its user. */
export type GiveToken = (wanted: Wanted) => Promise<string>;

/** So long a tracker has to say what is to be signed, before it is taken for one that lets everybody in. */
const HEAR_FIRST_MS = 1000;
/** After a refusal that another token may cure, or when none was to be had. */
const AGAIN_MS = 30_000;
/** A new token is fetched when so much is left of the old one's time, but neither sooner nor later than this. */
const AHEAD_MS = 90_000;
const SOONEST_MS = 15_000;
const LATEST_MS = 600_000;
/** Refusals after which another token may do. */
const CURABLE = ["no-token", "unknown-key", "expired", "spent", "full"];

const utf8 = (text: string) => new TextEncoder().encode(text);
const fromBase64url = (text: string) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

interface Key {
  x: string;
  secret: CryptoKey;
}

let key: Promise<Key> | null = null;

/** The key of this visit: one a page, and its secret half cannot leave the browser. Fails where the browser has no Ed25519. */
function viewerKey(): Promise<Key> {
  return (key ??= (async () => {
    // Not there on pages without HTTPS.
    if (!globalThis.crypto?.subtle) throw new Error("tokens need a page with HTTPS");
    const pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]).catch(() => {
      throw new Error("tokens need a browser with Ed25519: Chrome 137, Firefox 129, Safari 17 or later");
    })) as CryptoKeyPair;
    const { x } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    return { x: x as string, secret: pair.privateKey };
  })());
}

/** Asks `url` by POST for each token; the answer is the token alone. Cookies go along where the address is of the page's own site. */
function askAt(url: string): GiveToken {
  return async (wanted) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(wanted), cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status} from ${url}`);
    return (await answer.text()).trim();
  };
}

type Announce = Record<string, unknown> & { info_hash: string; peer_id: string };

/** A WebSocket to a tracker, for the engine's option `socket`: what the tracker is told goes with tokens that `give` gives. */
export function tokenSocket(give: GiveToken | string, Socket: new (url: string) => WebSocket = WebSocket): new (url: string) => WebSocket {
  const giveToken = typeof give === "string" ? askAt(give) : give;
  class TokenSocket {
    onopen: ((event: Event) => void) | null = null;
    onmessage: ((event: MessageEvent) => void) | null = null;
    onclose: ((event: Event) => void) | null = null;
    onerror: ((event: Event) => void) | null = null;
    readonly #socket: WebSocket;
    #challenge: string | null = null;
    /** The last announce, and whether it still has to go out. */
    #announce: Announce | null = null;
    #waits = false;
    #isIn = false;
    #isOpenToAll = false;
    #isBarred = false;
    #isFetching = false;
    /** Runs while the tracker may still say that it asks for tokens. */
    #patience: ReturnType<typeof setTimeout> | undefined;
    /** Runs until the next token is fetched. */
    #timer: ReturnType<typeof setTimeout> | undefined;

    constructor(url: string) {
      const socket = (this.#socket = new Socket(url));
      socket.onopen = (event) => {
        this.#patience = setTimeout(() => this.#openToAll(), HEAR_FIRST_MS);
        this.onopen?.(event);
      };
      socket.onmessage = (event: MessageEvent) => this.#heard(event);
      socket.onclose = (event) => {
        this.#stop();
        this.onclose?.(event);
      };
      socket.onerror = (event) => this.onerror?.(event);
    }

    get readyState(): number {
      return this.#socket.readyState;
    }

    close(): void {
      this.#stop();
      this.#socket.close();
    }

    send(text: string): void {
      const message = JSON.parse(text) as Announce;
      const isAnnounce = !message["offer"] && !message["answer"] && message["event"] !== "stopped";
      if (!isAnnounce || this.#isOpenToAll) return this.#socket.send(text);
      this.#announce = message;
      if (this.#isIn) return this.#socket.send(text);
      this.#waits = true;
      // Without a challenge it waits for one; with one, for the token that is on its way.
      if (this.#challenge && !this.#isFetching && this.#timer === undefined) this.#fetchIn(0);
    }

    #stop(): void {
      clearTimeout(this.#patience);
      clearTimeout(this.#timer);
    }

    #openToAll(): void {
      if (this.#challenge) return;
      this.#isOpenToAll = true;
      if (this.#waits && this.#announce) this.#socket.send(JSON.stringify(this.#announce));
    }

    #heard(event: MessageEvent): void {
      let message: Record<string, unknown> = {};
      try {
        message = JSON.parse(String(event.data)) as Record<string, unknown>;
      } catch {
        // the client passes it over
      }
      if (typeof message?.["challenge"] === "string") {
        this.#isOpenToAll = false;
        const isNew = this.#challenge === null;
        this.#challenge = message["challenge"];
        if (isNew) this.#fetchIn(0);
      }
      if (message?.["action"] === "challenge") return;
      if (typeof message?.["denied"] === "string") return this.#denied(message["denied"], event);
      if (typeof message?.["token_until"] === "number") {
        this.#isIn = true;
        const left = message["token_until"] * 1000 - Date.now();
        // The clock of this machine may be wrong: then it is the end of the membership that says so.
        this.#fetchIn(Math.min(Math.max(left - AHEAD_MS, SOONEST_MS), LATEST_MS));
      }
      this.onmessage?.(event);
    }

    #denied(code: string, event: MessageEvent): void {
      const wasIn = this.#isIn;
      this.#isIn = false;
      this.#waits = true;
      if (!CURABLE.includes(code)) {
        this.#isBarred = true;
        this.#stop();
        return this.onmessage?.(event);
      }
      if (!this.#isFetching) this.#fetchIn(wasIn ? 0 : AGAIN_MS);
    }

    #fetchIn(ms: number): void {
      if (this.#isBarred) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        void this.#fetch();
      }, ms);
    }

    async #fetch(): Promise<void> {
      const announce = this.#announce;
      // Whoever wants nothing yet needs no token.
      if (!announce || this.#isFetching) return;
      this.#isFetching = true;
      try {
        const { x, secret } = await viewerKey();
        const [swarm, peer] = [binaryBytes(announce.info_hash), binaryBytes(announce.peer_id)];
        if (!swarm || !peer || !this.#challenge) return;
        const token = await giveToken({ viewer: x, swarm: hex(swarm) });
        const parts = [utf8("braidcast viewer proof v1\n"), fromBase64url(this.#challenge), swarm, peer, utf8(token)];
        const signed = await new Blob(parts as BlobPart[]).arrayBuffer();
        const proof = base64url(new Uint8Array(await crypto.subtle.sign("Ed25519", secret, signed)));
        if (this.#socket.readyState !== 1) return;
        // Who is in asks for a name or two with it, for a reply that names nobody would be a classic tracker's.
        const message = this.#waits ? this.#announce : { ...this.#announce, event: undefined, want: 1, offers: [] };
        this.#waits = false;
        this.#socket.send(JSON.stringify({ ...message, token, proof }));
      } catch (error) {
        console.warn(`braidcast: no token, so other viewers are not met: ${error instanceof Error ? error.message : String(error)}`);
        if (this.#socket.readyState === 1) this.#fetchIn(AGAIN_MS);
      } finally {
        this.#isFetching = false;
      }
    }
  }
  return TokenSocket as unknown as new (url: string) => WebSocket;
}

/** Has a `<braidcast-player>` show tokens; to be called before `src` is set, or in the same turn. `give` is the address of the page's own
 * server, or what to call. */
export function useTokens(player: { engineOptions: object }, give: GiveToken | string): void {
  player.engineOptions = { ...player.engineOptions, socket: tokenSocket(give) };
}
