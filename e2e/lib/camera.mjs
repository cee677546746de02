// A camera: pictures with the time of their capture in them, sent to an RTMP door by ffmpeg as any encoder would. And what reads that
// time from a viewer's screen.
//
// The time is in a strip of blocks along the top, black or white, one bit each: 24 bits of milliseconds since 1970 and 8 that check
// them. It is drawn when the picture is handed to ffmpeg, so what is measured is encoder, network, origin, viewers and decoder.

import { execFileSync } from "node:child_process";
import { launch } from "./child.mjs";

const [WIDTH, HEIGHT, FPS] = [640, 360, 20];
const STRIP_HEIGHT = 24;
const BITS = 32;
const TIME_MASK = 0xff_ff_ff;
/** Different pictures, shown in turn. */
const PICTURES = 40;

/** Noise enough that renditions reach their bit rates. */
function pictures() {
    const source = `testsrc2=size=${WIDTH}x${HEIGHT}:rate=${FPS},noise=alls=10:allf=t:all_seed=1`;
    const args = ["-v", "error", "-f", "lavfi", "-i", source, "-frames:v", String(PICTURES), "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"];
    const bytes = execFileSync("ffmpeg", args, { maxBuffer: 1 << 30 });
    const size = (WIDTH * HEIGHT * 3) / 2;
    return Array.from({ length: PICTURES }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

const check = (time) => ((time ^ (time >> 8) ^ (time >> 16)) & 0xff) ^ 0x5a;

function stamp(picture, ms) {
    const time = ms & TIME_MASK;
    const block = WIDTH / BITS;
    for (let bit = 0; bit < BITS; bit += 1) {
        const isSet = bit < 24 ? (time >> bit) & 1 : (check(time) >> (bit - 24)) & 1;
        for (let row = 0; row < STRIP_HEIGHT; row += 1) picture.fill(isSet ? 235 : 16, row * WIDTH + bit * block, row * WIDTH + (bit + 1) * block);
    }
}

let made;

/**
 * Starts publishing to `to`; `kbps` of pictures, with a tone.
 *
 * @returns {{ stop: () => Promise<unknown> }}
 */
export function camera({ to, kbps = 1800 }) {
    made ??= pictures();
    const clock = "drawtext=text='%{localtime} %{n}':x=8:y=32:fontsize=22:fontcolor=white:box=1:boxcolor=black";
    const child = launch("ffmpeg", [
        "-v", "error", "-nostdin",
        "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", `${WIDTH}x${HEIGHT}`, "-r", String(FPS), "-i", "pipe:0",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
        "-vf", clock, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-b:v", `${kbps}k`, "-maxrate", `${kbps}k`,
        "-bufsize", `${kbps}k`, "-g", String(FPS * 2), "-c:a", "aac", "-b:a", "96k", "-shortest", "-flush_packets", "1", "-f", "flv", to,
    ], { stdio: ["pipe", "inherit", "inherit"] });
    child.stdin.on("error", () => {}); // it has ended
    const begun = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
        // Late turns are made up for: the stream runs at the clock's pace.
        for (; sent * 1000 <= (performance.now() - begun) * FPS; sent += 1) {
            const picture = Buffer.from(made[sent % PICTURES]);
            stamp(picture, Date.now());
            child.stdin.write(picture);
        }
    }, 5);
    child.ended.finally(() => clearInterval(timer));
    return {
        /** Ends it as when the plug is pulled. */
        stop: () => child.end("SIGKILL"),
    };
}

/**
 * To run in a viewer's page: collects in `window.delays` when pictures are on the screen, by the clock of this machine, which stamped them
 * too, and how old each is then, in milliseconds, a few times a second.
 */
export const DELAYS = `(${watchDelays})(${JSON.stringify({ BITS, STRIP: STRIP_HEIGHT / HEIGHT, TIME_MASK })}, ${check})`;

/* c8 ignore start: runs in the page */
function watchDelays({ BITS, STRIP, TIME_MASK }, check) {
    const EVERY_MS = 250;
    window.delays = [];
    window.unread = 0;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [BITS, 1];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const look = (video, shown) => {
        if (!video.seeking) {
            context.drawImage(video, 0, 0, video.videoWidth, video.videoHeight * STRIP, 0, 0, BITS, 1);
            const { data } = context.getImageData(0, 0, BITS, 1);
            let [time, sum] = [0, 0];
            for (let bit = 0; bit < BITS; bit += 1) {
                const isSet = data[bit * 4 + 1] > 127 ? 1 : 0;
                if (bit < 24) time |= isSet << bit;
                else sum |= isSet << (bit - 24);
            }
            const now = Math.round(performance.timeOrigin + shown);
            if (sum === check(time)) window.delays.push([now, (now - time) & TIME_MASK]);
            else window.unread += 1;
        }
        // To be told of every picture would cost each viewer as much as showing it.
        setTimeout(() => next(video), EVERY_MS);
    };
    const next = (video) => video.requestVideoFrameCallback((_, { expectedDisplayTime }) => look(video, expectedDisplayTime));
    const begin = setInterval(() => {
        const { video } = window.probe;
        if (!video?.requestVideoFrameCallback) return;
        clearInterval(begin);
        next(video);
    }, 50);
}
/* c8 ignore stop */
