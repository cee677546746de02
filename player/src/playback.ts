/** What the viewer sees of it: how long the start took, and every time the picture stood still. Read off the video element. */

/** The figures so far. */
export interface PlaybackFigures {
  /** From the start of loading to the first moving picture; `null` before that. */
  startupMs: number | null;
  /** How often the picture stopped for want of data. Seeking and pausing do not count. */
  stalls: number;
  stalledSeconds: number;
  /** Film time that was played. */
  playedSeconds: number;
}

/** Longest step of the position that counts as playing: what is longer was a seek. Seconds. */
const MAX_STEP_S = 3;

/** Watches one video element. */
export class Playback {
  #video: HTMLVideoElement | null = null;
  #startedAt: number;
  #startupMs: number | null = null;
  #stalls = 0;
  #stalledMs = 0;
  #stalledSince: number | null = null;
  #played = 0;
  #position = 0;
  #off: (() => void)[] = [];

  constructor() {
    this.#startedAt = performance.now();
  }

  /** From now on it is this element; `changed` hears of everything that changes what is needed when. */
  attach(video: HTMLVideoElement, changed: () => void): void {
    this.detach();
    this.#video = video;
    this.#position = video.currentTime;
    const listen = (names: string[], listener: () => void) => {
      for (const name of names) {
        video.addEventListener(name, listener);
        this.#off.push(() => video.removeEventListener(name, listener));
      }
    };
    listen(["waiting"], () => this.#waiting());
    listen(["timeupdate"], () => this.#moved());
    listen(["playing"], () => {
      this.#startupMs ??= performance.now() - this.#startedAt;
      this.#resume();
    });
    listen(["seeking", "seeked", "pause", "emptied", "ended"], () => {
      this.#resume();
      this.#position = video.currentTime;
    });
    listen(["seeking", "seeked", "pause", "play", "playing", "ratechange", "waiting", "ended"], changed);
  }

  detach(): void {
    this.#resume();
    this.#off.forEach((off) => off());
    this.#off = [];
    this.#video = null;
  }

  /** Whether the picture has moved. */
  get hasStarted(): boolean {
    return this.#startupMs !== null;
  }

  get figures(): PlaybackFigures {
    this.#moved();
    const now = this.#stalledSince === null ? 0 : performance.now() - this.#stalledSince;
    return {
      startupMs: this.#startupMs,
      stalls: this.#stalls,
      stalledSeconds: (this.#stalledMs + now) / 1000,
      playedSeconds: this.#played,
    };
  }

  #waiting(): void {
    const video = this.#video;
    if (!video || this.#startupMs === null || this.#stalledSince !== null) return;
    if (video.seeking || video.paused || video.ended) return;
    this.#stalls += 1;
    this.#stalledSince = performance.now();
  }

  #moved(): void {
    const video = this.#video;
    if (!video) return;
    const step = video.currentTime - this.#position;
    if (step === 0) return;
    this.#position = video.currentTime;
    if (step < 0 || step > MAX_STEP_S * Math.max(1, video.playbackRate) || video.seeking) return;
    this.#played += step;
    this.#startupMs ??= performance.now() - this.#startedAt;
    this.#resume();
  }

  #resume(): void {
    if (this.#stalledSince === null) return;
    this.#stalledMs += performance.now() - this.#stalledSince;
    this.#stalledSince = null;
  }
}
