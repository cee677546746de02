// A token bucket over many flows: one uplink that all connections share, each getting its turn. It knows nothing of HTTP.

/** What a flow may send in one turn: one Ethernet frame's worth, so that turns are fair. */
const TURN_BYTES = 1448;
/** The bucket's depth: what may leave at once after a quiet moment. */
const BURST_BYTES = 8 * 1024;
const TICK_MS = 4;

export class Shaper {
    #flows = [];
    #tokens = BURST_BYTES;
    #last = performance.now();
    #timer = null;
    #next = 0;

    /** @param {number} bitsPerSecond the uplink; Infinity for none */
    constructor(bitsPerSecond) {
        this.bitsPerSecond = bitsPerSecond;
    }

    /** A flow that hands chunks to `send(chunk) -> boolean` (false: call `resume()` before more) and tells `sent(bytes)`. */
    flow(send) {
        const flow = { send, queue: [], queued: 0, blocked: false, ended: null, waiting: [], dead: false };
        return {
            /** Resolves when there is room for more: little is held back, so that the source feels the uplink. */
            write: (chunk) => {
                if (flow.dead) return null;
                if (this.bitsPerSecond === Infinity && flow.queue.length === 0) {
                    if (send(chunk)) return null;
                    return new Promise((resolve) => flow.waiting.push(resolve));
                }
                flow.queue.push(chunk);
                flow.queued += chunk.length;
                if (this.#flows.length === 0) this.#refill(BURST_BYTES);
                if (!this.#flows.includes(flow)) this.#flows.push(flow);
                this.#wake();
                if (flow.queued <= 64 * 1024) return null;
                return new Promise((resolve) => flow.waiting.push(resolve));
            },
            /** Calls `then` once everything is out. */
            end: (then) => {
                if (flow.dead) return;
                if (flow.queue.length === 0) then();
                else flow.ended = then;
            },
            resume: () => {
                flow.blocked = false;
                if (flow.queue.length === 0) for (const resolve of flow.waiting.splice(0)) resolve();
                this.#wake();
            },
            abort: () => {
                flow.dead = true;
                flow.queue.length = 0;
                flow.queued = 0;
                flow.ended = null;
                this.#remove(flow);
                for (const resolve of flow.waiting.splice(0)) resolve();
            },
        };
    }

    #remove(flow) {
        const at = this.#flows.indexOf(flow);
        if (at < 0) return;
        this.#flows.splice(at, 1);
        if (at < this.#next) this.#next -= 1;
    }

    /** What the time since the last turn is worth. Up to 100 ms of a late timer count; a quiet uplink saves up `most`. */
    #refill(most) {
        const now = performance.now();
        const earned = Math.min(100, now - this.#last) * (this.bitsPerSecond / 8000);
        this.#tokens = Math.min(most, this.#tokens + earned);
        this.#last = now;
    }

    #wake() {
        if (this.#timer || this.#flows.length === 0) return;
        this.#timer = setTimeout(() => {
            this.#timer = null;
            this.#turns();
            if (this.#flows.some((flow) => !flow.blocked)) this.#wake();
        }, TICK_MS);
    }

    #turns() {
        this.#refill(Infinity);
        let idle = 0;
        while (this.#tokens > 0 && idle < this.#flows.length) {
            this.#next %= this.#flows.length;
            const flow = this.#flows[this.#next];
            if (flow.blocked) {
                idle += 1;
                this.#next += 1;
                continue;
            }
            idle = 0;
            const head = flow.queue[0];
            const part = head.length <= TURN_BYTES ? head : head.subarray(0, TURN_BYTES);
            if (part === head) flow.queue.shift();
            else flow.queue[0] = head.subarray(TURN_BYTES);
            flow.queued -= part.length;
            this.#tokens -= part.length;
            flow.blocked = !flow.send(part);
            if (flow.queued <= 32 * 1024) for (const resolve of flow.waiting.splice(0)) resolve();
            if (flow.queue.length === 0) {
                this.#remove(flow);
                flow.ended?.();
                flow.ended = null;
            } else {
                this.#next += 1;
            }
        }
    }
}
