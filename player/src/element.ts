/**
 * `<braidcast-player src live latency tracker token-url key swarm p2p stun upload-kbps autoplay muted controls poster>`: a player in one tag.
 *
 * All that a start needs is loaded side by side, and hls.js is compiled first: the first segments wait for hls.js and the playlists
 * only, as with hls.js alone.
 */
import type Hls from "hls.js";
import type { HlsConfig } from "hls.js";
import { assetUrl, liveModule, tokensModule } from "./assets.js";
import type { LiveBar } from "./live/index.js";
import { Engine, isMetered, type EngineOptions } from "./hlsjs.js";

/** Video attributes handed on as they are. */
const PASSED_ON = ["autoplay", "muted", "controls", "poster", "loop", "playsinline", "preload", "crossorigin"];
/** Attributes with which everything starts anew. */
const SOURCE = ["src", "live", "latency", "tracker", "token-url", "key", "swarm", "p2p", "stun"];
const SHARING_KEY = "braidcast.sharing";
const UPLOAD_KEY = "braidcast.uploadKbps";

/** The custom element. Events of the engine come as DOM events of the same names, with the detail in `detail`. */
export class BraidcastPlayer extends HTMLElement {
  static readonly observedAttributes = [...PASSED_ON, ...SOURCE, "upload-kbps"];
  /** The element that plays. */
  readonly video = document.createElement("video");
  /** `null` until `src` is set. */
  engine: Engine | null = null;
  /** `null` until it is loaded, and where the browser plays HLS by itself only. */
  hls: Hls | null = null;
  /** Set before `src` to change hls.js's configuration. */
  hlsConfig: Partial<HlsConfig> = {};
  /** Set before `src` to change the engine's options. */
  engineOptions: Partial<EngineOptions> = {};
  #bar: LiveBar | null = null;
  #begun = 0;
  #scheduled = false;

  constructor() {
    super();
    const style = document.createElement("style");
    style.textContent =
      ":host{display:block;position:relative;background:#000;aspect-ratio:16/9}:host([hidden]){display:none}" +
      "video{display:block;width:100%;height:100%}";
    this.video.playsInline = true;
    this.attachShadow({ mode: "open" }).append(style, this.video);
  }

  connectedCallback(): void {
    this.#schedule();
  }

  disconnectedCallback(): void {
    // Moving an element takes it out and puts it back in one turn: then it plays on.
    queueMicrotask(() => this.isConnected || this.#stop());
  }

  attributeChangedCallback(name: string, before: string | null, value: string | null): void {
    if (before === value) return;
    if (SOURCE.includes(name)) this.#schedule();
    else if (name === "upload-kbps") this.uploadKbps = Number(value);
    else if (value === null) this.video.removeAttribute(name);
    else this.video.setAttribute(name, value);
    if (name === "muted") this.video.muted = value !== null;
  }

  /** Address of `master.m3u8`. */
  get src(): string {
    return this.getAttribute("src") ?? "";
  }

  set src(url: string) {
    this.setAttribute("src", url);
  }

  /** Whether this viewer uploads. Remembered for the site. */
  get sharing(): boolean {
    return this.engine?.sharing ?? wantsToShare();
  }

  set sharing(on: boolean) {
    remember(SHARING_KEY, on ? "on" : "off");
    if (this.engine) this.engine.sharing = on;
  }

  /** Most to upload, kbit/s. Remembered for the site. */
  get uploadKbps(): number {
    return this.engine?.uploadKbps ?? Number(recalled(UPLOAD_KEY) ?? this.getAttribute("upload-kbps") ?? 0);
  }

  set uploadKbps(kbps: number) {
    if (!(kbps > 0)) return;
    remember(UPLOAD_KEY, String(Math.round(kbps)));
    if (this.engine) this.engine.uploadKbps = kbps;
  }

  /** Attributes come one by one, in any order: they are looked at together, once the page has set them. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.isConnected) void this.#play();
    });
  }

  async #play(): Promise<void> {
    this.#stop();
    const src = this.src;
    if (!src) return;
    const begun = ++this.#begun;
    const url = new URL(src, document.baseURI);
    const hlsModule = import(assetUrl("hls.js").href) as Promise<{ default: typeof Hls }>;
    const options = this.#options(url);
    const tokenUrl = this.getAttribute("token-url");
    if (tokenUrl !== null && !options.socket) {
      // Without it the tracker lets nobody in, and the film plays from the origin.
      const tokens = await tokensModule().catch(() => null);
      if (begun !== this.#begun) return;
      options.socket = tokens?.tokenSocket(new URL(tokenUrl, document.baseURI).href);
    }
    const engine = (this.engine = new Engine({ ...options, after: hlsModule }));
    for (const name of ["ready", "stats", "peer", "fallback", "error"] as const) {
      engine.on(name, (detail) => this.dispatchEvent(new CustomEvent(name, { detail })));
    }
    engine.on("superseded", () => {
      const { paused } = this.video;
      void this.#play().then(() => {
        if (!paused) this.video.play().catch(() => {}); // the browser may not let it
      });
    });
    engine.attach(this.video);
    let constructor: typeof Hls;
    try {
      constructor = (await hlsModule).default;
    } catch (error) {
      return this.#fail(begun, `hls.js could not be loaded: ${String(error)}`);
    }
    if (begun !== this.#begun) return;
    if (!constructor.isSupported()) {
      if (!this.video.canPlayType("application/vnd.apple.mpegurl")) {
        return this.#fail(begun, "this browser knows neither media source extensions nor HLS");
      }
      // A browser that plays HLS by itself lets nobody see the segments.
      engine.destroy();
      this.video.src = url.href;
      this.dispatchEvent(new CustomEvent("fallback", { detail: { reason: "this browser plays HLS by itself only" } }));
      return;
    }
    // CMAF needs no transmuxing: a worker would cost the start more than it ever saves.
    const hls = (this.hls = new constructor({
      backBufferLength: 30,
      enableWorker: false,
      ...engine.hlsConfig(this.getAttribute("latency") === "normal" ? "normal" : "low"),
      ...this.hlsConfig,
    }));
    engine.bindHls(hls);
    hls.once(constructor.Events.LEVEL_LOADED, (_, { details }) => details.live && void this.#showLive(hls));
    hls.on(constructor.Events.ERROR, (_, { fatal, type, details }) => {
      if (!fatal) return;
      if (type === constructor.ErrorTypes.MEDIA_ERROR) return hls.recoverMediaError();
      this.#fail(begun, details);
      // An origin that comes back is found again.
      setTimeout(() => begun === this.#begun && hls.startLoad(), 3000);
    });
    hls.loadSource(url.href);
    hls.attachMedia(this.video);
  }

  /** What a live stream has over a film, for whoever wants controls. */
  async #showLive(hls: Hls): Promise<void> {
    const { LiveBar } = await liveModule();
    if (hls !== this.hls || this.#bar || !this.hasAttribute("controls")) return;
    this.#bar = new LiveBar(this.video, hls);
    this.shadowRoot?.append(this.#bar.element);
  }

  #options(src: URL): EngineOptions {
    const stun = this.getAttribute("stun")?.split(/[\s,]+/).filter(Boolean) ?? [];
    return {
      index: new URL(this.hasAttribute("live") ? "live.bcs" : "index.bci", src).href,
      tracker: this.getAttribute("tracker") ?? undefined,
      key: this.getAttribute("key") ?? undefined,
      swarm: this.getAttribute("swarm") ?? undefined,
      p2p: this.getAttribute("p2p") !== "off",
      iceServers: stun.length ? [{ urls: stun.map((url) => (url.includes(":") ? url : `stun:${url}`)) }] : [],
      sharing: wantsToShare(),
      uploadKbps: Number(recalled(UPLOAD_KEY) ?? this.getAttribute("upload-kbps")) || undefined,
      record: new URLSearchParams(location.search).has("trace"),
      ...this.engineOptions,
    };
  }

  #stop(): void {
    this.#begun += 1;
    this.#bar?.close();
    this.#bar = null;
    this.hls?.destroy();
    this.engine?.destroy();
    this.hls = this.engine = null;
  }

  #fail(begun: number, message: string): void {
    if (begun === this.#begun) this.dispatchEvent(new CustomEvent("error", { detail: { message } }));
  }
}

/** The viewer's last word on it; without one, whatever the connection suggests. */
function wantsToShare(): boolean {
  const last = recalled(SHARING_KEY);
  return last === null ? !isMetered() : last === "on";
}

function recalled(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // a page without storage forgets
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // as above
  }
}

/** Makes `<braidcast-player>` known to the page. */
export function define(): void {
  // On its way before the first element asks for it.
  const preload = Object.assign(document.createElement("link"), { rel: "modulepreload", href: assetUrl("hls.js").href });
  document.head?.append(preload);
  if (!customElements.get("braidcast-player")) customElements.define("braidcast-player", BraidcastPlayer);
}

declare global {
  interface HTMLElementTagNameMap {
    "braidcast-player": BraidcastPlayer;
  }
}
