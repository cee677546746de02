// A peer connection that makes up its session descriptions and is connected once they are exchanged.

import { EventEmitter } from "node:events";

let made = 0;

export default class Peer extends EventEmitter {
    static WEBRTC_SUPPORT = true;

    constructor({ initiator = false } = {}) {
        super();
        /** What this side sent and what it got. */
        this.local = null;
        this.remote = null;
        if (initiator) queueMicrotask(() => this.#describe("offer"));
    }

    signal(description) {
        this.remote = description;
        if (description.type === "offer") this.#describe("answer");
        queueMicrotask(() => this.emit("connect"));
    }

    destroy() {
        this.destroyed = true;
    }

    #describe(type) {
        if (this.destroyed) return;
        // Characters that a careless relay would change.
        const sdp = `v=0\r\no=- ${++made} 2 IN IP4 127.0.0.1\r\ns="\\ \u0001 é 😀 \u2028 </script>\r\n${"x".repeat(1200)}`;
        this.local = { type, sdp };
        this.emit("signal", this.local);
    }
}
