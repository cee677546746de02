/** What a viewer of a live stream sees of time: how far back it is, the way back to the edge, and what can be sought in. */
import type Hls from "hls.js";

/** Looks the viewer does not notice as a delay. */
const EVERY_MS = 500;
/** Further from where it would start than this, a viewer is not at the edge. */
const AT_EDGE_S = 3;
/** What can be sought in is worth a bar from here on. */
const BAR_FROM_S = 15;

const STYLE =
  ".live{position:absolute;inset:0 0 auto;display:flex;gap:10px;align-items:center;padding:10px 12px;font:13px/1 system-ui,sans-serif;" +
  "color:#fff;background:linear-gradient(#000a,#0000);opacity:0;transition:opacity .25s}" +
  ":host(:hover) .live,:host(:focus-within) .live,.live[data-away]{opacity:1}" +
  ".live button{font:inherit;font-weight:600;color:#fff;background:#0008;border:1px solid #fff5;border-radius:99px;padding:6px 11px;cursor:pointer}" +
  ".live button::before{content:'';display:inline-block;width:8px;height:8px;border-radius:50%;margin-right:7px;background:#ff4b4b}" +
  ".live[data-away] button::before{background:#9aa}.live output{font-variant-numeric:tabular-nums;white-space:nowrap;text-shadow:0 0 3px #000}" +
  ".live input{flex:1;min-width:60px;accent-color:#ff4b4b}.live input[hidden]{display:none}" +
  ".live button:focus-visible,.live input:focus-visible{outline:2px solid #7aa2ff;outline-offset:2px}";

/** The bar over the picture. */
export class LiveBar {
  readonly element = document.createElement("div");
  readonly #video: HTMLVideoElement;
  readonly #hls: Hls;
  readonly #button = document.createElement("button");
  readonly #behind = document.createElement("output");
  readonly #seek = document.createElement("input");
  readonly #timer: ReturnType<typeof setInterval>;
  #isHeld = false;

  constructor(video: HTMLVideoElement, hls: Hls) {
    this.#video = video;
    this.#hls = hls;
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.element.className = "live";
    this.element.part.add("live");
    Object.assign(this.#button, { type: "button", textContent: "Live", onclick: () => this.goLive() });
    Object.assign(this.#seek, { type: "range", step: "0.1", hidden: true });
    this.#seek.setAttribute("aria-label", "Where in the stream");
    this.#seek.oninput = () => {
      this.#isHeld = true;
      this.#say(Number(this.#seek.max) - Number(this.#seek.value));
    };
    this.#seek.onchange = () => {
      this.#isHeld = false;
      video.currentTime = Number(this.#seek.value);
    };
    this.element.append(style, this.#button, this.#seek, this.#behind);
    this.#timer = setInterval(() => this.show(), EVERY_MS);
    this.show();
  }

  /** To where a viewer who came now would start. */
  goLive(): void {
    const at = this.#hls.liveSyncPosition;
    if (at !== null) this.#video.currentTime = at;
    void this.#video.play().catch(() => {}); // a browser that wants a gesture has had one
  }

  show(): void {
    const { seekable, currentTime } = this.#video;
    if (seekable.length === 0 || this.#isHeld) return;
    const [start, end] = [seekable.start(0), seekable.end(seekable.length - 1)];
    const behind = this.#hls.latency;
    const isAway = behind > (this.#hls.targetLatency ?? 0) + AT_EDGE_S;
    this.element.toggleAttribute("data-away", isAway);
    this.#button.title = isAway ? "To the live edge" : "At the live edge";
    this.#button.textContent = isAway ? "Go live" : "Live";
    Object.assign(this.#seek, { min: String(start), max: String(end), value: String(currentTime) });
    this.#seek.hidden = end - start < BAR_FROM_S;
    this.#say(behind);
  }

  close(): void {
    clearInterval(this.#timer);
    this.element.remove();
  }

  #say(behindS: number): void {
    const text = behindText(behindS);
    this.#behind.textContent = `−${text}`;
    this.#seek.setAttribute("aria-valuetext", `${text} behind live`);
  }
}

/** `2.4 s`, `0:35`, `1:02:03`. */
export function behindText(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  const two = (n: number) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
