/** What only live streams need: loaded once it is known that one is watched. */
export { LiveBar, behindText } from "./bar.js";
export { Heads, type Taker } from "./heads.js";
export { Follower, learnParts, stateIn } from "./hls.js";
export { LiveStream, type Segment, type Target } from "./stream.js";
export { Times } from "./times.js";
