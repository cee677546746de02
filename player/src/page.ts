/** What the page and the browser say. */

/** What the player is doing. Seconds. */
export interface PlayerState {
  position: number;
  /** How far beyond the position it can go with what it has. */
  buffered: number;
  /** `false` only if the viewer paused it. */
  playing: boolean;
  /** 1 is normal speed. */
  rate: number;
}

/** The player's state as a video element shows it. */
export function stateOf(video: HTMLVideoElement): PlayerState {
  const position = video.currentTime;
  let buffered = 0;
  for (let i = 0; i < video.buffered.length; i++) {
    // A gap of a tenth of a second is one that players step over.
    if (video.buffered.start(i) <= position + 0.1 && video.buffered.end(i) > position) {
      buffered = video.buffered.end(i) - position;
    }
  }
  return { position, buffered, playing: !video.paused, rate: video.playbackRate || 1 };
}

/** Whether the browser says that bytes cost money here. */
export function isMetered(): boolean {
  const { connection } = navigator as Navigator & {
    connection?: { saveData?: boolean; type?: string; metered?: boolean };
  };
  return Boolean(connection?.saveData || connection?.metered || connection?.type === "cellular");
}
