// What a hostile viewer does, done to its data channels from outside: the product has no hook for it. Each is a script that
// runs in the viewer's page before anything else and counts what it did in `window.attack`.

/** Kind of the frame that carries a piece, as docs/spec/wire.md has it. */
const PIECE = 9;

/** Calls `act(channel, bytes, at, send)` for every message with a piece frame; `at` is where the frame's last byte is. */
function patch({ piece, act }) {
    const attack = { pieces: 0, peers: 0 };
    Object.defineProperty(window, "attack", { value: attack });
    const send = RTCDataChannel.prototype.send;
    const seen = new WeakSet();
    const behave = new Function("channel", "bytes", "at", "send", "attack", act);
    RTCDataChannel.prototype.send = function (data) {
        const bytes = ArrayBuffer.isView(data)
            ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
            : new Uint8Array(data).slice();
        let at = 0;
        let found = -1;
        while (at < bytes.length) {
            const kind = bytes[at++];
            let length = 0;
            let shift = 0;
            let byte;
            do {
                byte = bytes[at++];
                length += (byte & 127) * 2 ** shift;
                shift += 7;
            } while (byte & 128 && at < bytes.length);
            at += length;
            if (kind === piece) found = Math.min(at, bytes.length) - 1;
        }
        if (found < 0) return send.call(this, data);
        attack.pieces += 1;
        if (!seen.has(this)) {
            seen.add(this);
            attack.peers += 1;
        }
        return behave(this, bytes, found, send, attack);
    };
}

const script = (act) => `(${patch})(${JSON.stringify({ piece: PIECE, act })})`;

/** Flips a byte in every piece it sends. */
export const forger = script("bytes[at] ^= 1; return send.call(channel, bytes);");

/** Says what it has, is asked for it, and never sends a piece. */
export const mute = script("return undefined;");

/** Sends one piece a second. */
export const slow = script(`
    attack.queue ??= [];
    attack.queue.push([channel, bytes]);
    attack.timer ??= setInterval(() => {
        const next = attack.queue.shift();
        if (next && next[0].readyState === "open") send.call(next[0], next[1]);
    }, 1000);
`);
