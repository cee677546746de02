// Films made with ffmpeg's test sources, once, into `.cache/clips`. The same arguments give the same film.

import { execFile } from "node:child_process";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cache } from "./paths.mjs";

const run = promisify(execFile);

/**
 * A film with a moving pattern, noise enough that its renditions reach their bit rates, and a tone.
 *
 * @param {{ seconds: number, width?: number, height?: number, fps?: number, noise?: number, name?: string }} what
 *   `name`: of the file, and so of the film; default: what it is
 * @returns {Promise<string>} the path of an H.264/AAC MP4
 */
export async function clip({ seconds, width = 960, height = 540, fps = 24, noise = 8, name }) {
    const path = join(cache("clips"), `${name ?? `test-${width}x${height}-${fps}fps-${seconds}s-n${noise}`}.mp4`);
    if (existsSync(path)) return path;
    const unfinished = `${path}.${process.pid}.partial`;
    const picture = `testsrc2=size=${width}x${height}:rate=${fps}:duration=${seconds}`;
    await run("ffmpeg", [
        "-nostdin", "-v", "error", "-y",
        "-f", "lavfi", "-i", `${picture},noise=alls=${noise}:allf=t:all_seed=1`,
        "-f", "lavfi", "-i", `sine=frequency=330:beep_factor=4:sample_rate=48000:duration=${seconds}`,
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-pix_fmt", "yuv420p", "-g", String(fps * 4),
        "-c:a", "aac", "-b:a", "96k", "-ac", "2",
        "-movflags", "+faststart", "-f", "mp4", unfinished,
    ]);
    renameSync(unfinished, path);
    return path;
}
