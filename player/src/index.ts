/** The whole player: importing it defines `<braidcast-player>`. */
import { define } from "./element.js";

export { BraidcastPlayer } from "./element.js";
export * from "./hlsjs.js";

define();
