// A short film as `braidcast` packages it, made with ffmpeg, and the index over any set of segments.
import { spawnSync } from "node:child_process";
import { sign } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blake3 } from "@noble/hashes/blake3.js";

export const PIECE = 32768;

const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** An unsigned index: see docs/spec/index.md. `renditions`: [{ id, kind, bandwidth, init, segments: [{ ms, bytes }] }]. */
export function sealIndex(renditions) {
  const parts = [Buffer.from("BCIX\x01\x00", "latin1"), u32(PIECE), Buffer.from([renditions.length])];
  for (const { id, kind, bandwidth, init, segments } of renditions) {
    parts.push(Buffer.from([id.length]), Buffer.from(id), Buffer.from([kind === "audio" ? 1 : 0]), u32(bandwidth));
    parts.push(blake3(init), u32(segments.length));
    for (const { ms, bytes } of segments) parts.push(u32(ms), u32(bytes.length), blake3(bytes));
  }
  return Buffer.concat(parts);
}

/** The same index signed with `key`, an Ed25519 pair of `node:crypto`. */
export function signIndex(index, { publicKey, privateKey }) {
  const body = index.subarray(6);
  const signature = sign(null, Buffer.concat([Buffer.from("braidcast index v1\n"), body]), privateKey);
  const head = Buffer.from("BCIX\x01\x01", "latin1");
  return Buffer.concat([head, Buffer.from(publicKey.export({ format: "jwk" }).x, "base64url"), signature, body]);
}

/** Subtitles signed under a name: see docs/spec/text.md. `swarm`: of which film. */
export function signText(text, { swarm, name }, { privateKey }) {
  const message = Buffer.concat([Buffer.from("braidcast text v1\n"), swarm, blake3(Buffer.from(text)), Buffer.from(name)]);
  const signature = sign(null, message, privateKey);
  const halves = [signature.subarray(0, 32), signature.subarray(32)].map((half) => half.toString("base64url"));
  return `${text}NOTE braidcast v1 ${halves.join("")}\n`;
}

/** The swarm id of a film, of its unsigned index. */
export function swarmOf(index) {
  const context = Buffer.from("braidcast 2026 swarm of an index, peer wire 1");
  return blake3(index.subarray(6), { context }).subarray(0, 20);
}

const SECONDS = 64;
const RUNGS = [
  { id: "v0", size: "320x180", kbps: 300 },
  { id: "v1", size: "640x360", kbps: 1200 },
];

/** The folder of a film of 64 s: two rungs of pictures, one of sound, 4 s segments. Made once per machine. */
export function makeFilm() {
  const folder = join(tmpdir(), `braidcast-test-film-${SECONDS}`);
  if (existsSync(join(folder, "index.bci"))) return folder;
  const work = `${folder}.${process.pid}`;
  rmSync(work, { recursive: true, force: true });
  const hls = (id) => {
    mkdirSync(join(work, id), { recursive: true });
    const at = (name) => join(work, id, name);
    return ["-f", "hls", "-hls_time", "4", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "-start_number", "1",
      "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", at("%d.m4s"), at("media.m3u8")];
  };
  const args = ["-loglevel", "error", "-y", "-f", "lavfi", "-i", `testsrc2=size=640x360:rate=24,noise=alls=20:allf=t`,
    "-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000", "-t", String(SECONDS)];
  for (const { id, size, kbps } of RUNGS) {
    args.push("-map", "0:v", "-t", String(SECONDS), "-s", size, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
      "-b:v", `${kbps}k`, "-maxrate", `${kbps}k`, "-bufsize", `${kbps}k`, "-g", "96", "-keyint_min", "96", "-sc_threshold", "0", ...hls(id));
  }
  args.push("-map", "1:a", "-t", String(SECONDS), "-c:a", "aac", "-b:a", "96k", ...hls("a0"));
  const { status, stderr } = spawnSync("ffmpeg", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ffmpeg failed: ${stderr}`);
  const renditions = [...RUNGS, { id: "a0", kbps: 96 }].map(({ id, kbps }) => {
    const dir = join(work, id);
    const durations = [...readFileSync(join(dir, "media.m3u8"), "utf8").matchAll(/#EXTINF:([\d.]+)/g)].map((m) => Number(m[1]));
    const segments = durations.map((s, i) => ({ ms: Math.round(s * 1000), bytes: readFileSync(join(dir, `${i + 1}.m4s`)) }));
    return { id, kind: id[0] === "a" ? "audio" : "video", bandwidth: kbps * 1000, init: readFileSync(join(dir, "init.mp4")), segments };
  });
  writeFileSync(join(work, "index.bci"), sealIndex(renditions));
  const variants = RUNGS.map(({ id, size, kbps }) =>
    `#EXT-X-STREAM-INF:BANDWIDTH=${(kbps + 96) * 1100},RESOLUTION=${size},CODECS="avc1.42c01e,mp4a.40.2",AUDIO="a"\n${id}/media.m3u8\n`);
  writeFileSync(join(work, "master.m3u8"),
    `#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,URI="a0/media.m3u8"\n${variants.join("")}`);
  if (!existsSync(folder)) renameSync(work, folder);
  return folder;
}
