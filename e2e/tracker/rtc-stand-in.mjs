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
        // In the form in which our tracker writes every description, so that it arrives as it was sent.
        const print = Array(32).fill("AB").join(":");
        const sdp = [
            "v=0",
            `o=- ${++made} 2 IN IP4 127.0.0.1`,
            "s=-",
            "t=0 0",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "c=IN IP4 0.0.0.0",
            "a=candidate:1 1 udp 1 127.0.0.1 5000 typ host",
            "a=ice-ufrag:ufrg",
            "a=ice-pwd:a/password+of/22/chars",
            `a=fingerprint:sha-256 ${print}`,
            "a=setup:actpass",
            "a=mid:0",
            "a=sctp-port:5000",
            "",
        ].join("\r\n");
        this.local = { type, sdp };
        this.emit("signal", this.local);
    }
}
