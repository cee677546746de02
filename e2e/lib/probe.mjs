// What is measured inside a viewer's page, the same for every player: it looks only at the video element and at what is
// appended to its media source, never at what a player says about itself.

/** Installed before any script of the page runs. `hash`: also keep the SHA-256 of everything appended. */
export function probeSource({ hash = false } = {}) {
    return `(${install})(${JSON.stringify({ hash })})`;
}

/* c8 ignore start: runs in the page */
function install({ hash }) {
    const STALL_MS = 250;
    const SAMPLE_MS = 100;
    const probe = {
        video: null, startupMs: null, stalls: 0, stalledMs: 0, stuckMs: 0, playedMs: 0, heights: {}, ended: false, seeks: 0,
        appended: [], appendedBytes: 0, errors: [],
    };
    Object.defineProperty(window, "probe", { value: probe });

    const watch = (video) => {
        if (probe.video === video) return;
        probe.video = video;
        video.addEventListener("playing", () => (probe.startupMs ??= performance.now()));
        video.addEventListener("ended", () => (probe.ended = true));
        video.addEventListener("seeking", () => (probe.seeks += 1));
        video.addEventListener("error", () => probe.errors.push(String(video.error?.message ?? video.error?.code)));
        // Not by "waiting" events: players differ in how they nudge. A picture that does not move because there is nothing to
        // show next is a stall; one that does not move although there is waits for a busy processor.
        let position = 0;
        let still = 0;
        let last = performance.now();
        setInterval(() => {
            const now = performance.now();
            const passed = now - last;
            last = now;
            const running = probe.startupMs !== null && !video.paused && !video.ended && !video.seeking;
            if (!running || video.currentTime !== position || video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA) {
                still = 0;
                if (running && video.currentTime === position) {
                    probe.stuckMs += passed;
                } else if (running) {
                    probe.playedMs += passed;
                    const height = video.videoHeight;
                    probe.heights[height] = (probe.heights[height] ?? 0) + passed;
                }
                position = video.currentTime;
                return;
            }
            const before = still;
            still += passed;
            if (still < STALL_MS) return;
            if (before < STALL_MS) {
                probe.stalls += 1;
                probe.stalledMs += still;
            } else {
                probe.stalledMs += passed;
            }
        }, SAMPLE_MS);
    };

    const source = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "src");
    Object.defineProperty(HTMLMediaElement.prototype, "src", {
        ...source,
        set(value) {
            watch(this);
            source.set.call(this, value);
        },
    });
    const object = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
    Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
        ...object,
        set(value) {
            watch(this);
            object.set.call(this, value);
        },
    });

    // Some players give the element a <source> child instead.
    document.addEventListener("loadstart", (event) => event.target instanceof HTMLMediaElement && watch(event.target), true);

    const append = SourceBuffer.prototype.appendBuffer;
    SourceBuffer.prototype.appendBuffer = function (data) {
        const bytes = ArrayBuffer.isView(data)
            ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
            : new Uint8Array(data);
        probe.appendedBytes += bytes.length;
        if (hash) {
            const entry = { bytes: bytes.length, box: String.fromCharCode(...bytes.subarray(4, 8)), sha256: null };
            probe.appended.push(entry);
            // A copy: the digest runs while the player may reuse the buffer.
            crypto.subtle.digest("SHA-256", bytes.slice()).then((digest) => {
                entry.sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
            });
        }
        return append.call(this, data);
    };

    window.readProbe = () => {
        const { video, ...rest } = probe;
        return {
            ...rest,
            position: video?.currentTime ?? 0,
            duration: video?.duration ?? null,
            buffered: video && video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0,
            frames: video?.getVideoPlaybackQuality?.().totalVideoFrames ?? 0,
            dropped: video?.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0,
            hidden: document.visibilityState,
        };
    };
}
/* c8 ignore stop */
