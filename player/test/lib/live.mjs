// A live stream as `braidcast` serves it: media made with ffmpeg beforehand, given out part by part as its time comes, with signed heads.
// See docs/spec/live.md and docs/spec/head.md.
import { spawnSync } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blake3 } from "@noble/hashes/blake3.js";
import { leaves } from "./blake3.mjs";

const PIECE = 32768;
const SECONDS = 150;
export const SEGMENT_S = 2;
export const PART_S = 0.41;
const WINDOW_MS = 60_000;
const HEAD_LIVES_MS = 90_000;
const RENDITIONS = [
  { id: "v0", kind: 0, kbps: 300, size: "320x180" },
  { id: "v1", kind: 0, kbps: 1500, size: "640x360" },
  { id: "a0", kind: 1, kbps: 96 },
];

const int = (bytes) => (value) => {
  const to = Buffer.alloc(bytes);
  if (bytes === 8) to.writeBigUInt64LE(BigInt(value));
  else to.writeUIntLE(value, 0, bytes);
  return to;
};
const [u8, u16, u32, u64] = [1, 2, 4, 8].map(int);

let cached;
const renditions = () => (cached ??= RENDITIONS.map((rendition) => ({ ...rendition, ...cut(readFileSync(join(media(), `${rendition.id}.mp4`))) })));

/** Fragmented MP4 of every rendition. Made once per machine. */
function media() {
  const folder = join(tmpdir(), `braidcast-test-live-${SECONDS}`);
  if (existsSync(folder)) return folder;
  const work = `${folder}.${process.pid}`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const args = ["-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25,noise=alls=20:allf=t",
    "-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000", "-t", String(SECONDS)];
  for (const { id, kind, kbps, size } of RENDITIONS) {
    args.push("-map", kind ? "1:a" : "0:v", "-t", String(SECONDS));
    if (kind) args.push("-c:a", "aac", "-b:a", `${kbps}k`);
    else {
      args.push("-s", size, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-b:v", `${kbps}k`,
        "-maxrate", `${kbps}k`, "-bufsize", `${kbps / 2}k`, "-g", "50", "-keyint_min", "50", "-sc_threshold", "0");
    }
    args.push("-f", "mp4", "-movflags", `empty_moov+default_base_moof${kind ? "" : "+frag_keyframe"}`, "-frag_duration", "400000", join(work, `${id}.mp4`));
  }
  const { status, stderr } = spawnSync("ffmpeg", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ffmpeg failed: ${stderr}`);
  if (!existsSync(folder)) renameSync(work, folder);
  return folder;
}

/** Init segment and parts of a fragmented MP4: `{ startMs, endMs, bytes, segment, index }`, the first segment being 1. */
function cut(file) {
  const boxes = [];
  for (let at = 0; at < file.length; at += file.readUInt32BE(at)) boxes.push({ type: file.toString("latin1", at + 4, at + 8), at, end: at + file.readUInt32BE(at) });
  const moov = boxes.find(({ type }) => type === "moov");
  const init = file.subarray(0, moov.end);
  const mdhd = init.indexOf("mdhd") + 4;
  const timescale = init.readUInt32BE(mdhd + (init[mdhd] ? 20 : 12));
  const parts = [];
  boxes.forEach(({ type, at }, i) => {
    if (type !== "moof") return;
    const bytes = file.subarray(at, boxes[i + 1].end);
    const tfdt = bytes.indexOf("tfdt") + 4;
    parts.push({ startMs: Math.round((Number(bytes.readBigUInt64BE(tfdt + 4)) * 1000) / timescale), bytes });
  });
  parts.forEach((part, i) => {
    part.endMs = parts[i + 1]?.startMs ?? part.startMs + 400;
    // Pictures start a segment with each keyframe, sound at the first frame of each two seconds.
    part.segment = Math.floor((part.startMs + 1) / (SEGMENT_S * 1000)) + 1;
    part.index = part.segment === parts[i - 1]?.segment ? parts[i - 1].index + 1 : 0;
    part.sequence = i + 1;
    // See docs/spec/head.md: pictures start with a keyframe in the first part of a segment, sound in each.
    part.cut = timescale === 48_000 || part.index === 0 ? 1 : 0;
    if (part.index === 0 && i > 0) parts[i - 1].cut |= 2;
  });
  parts.pop(); // may be cut short
  return { init, timescale, parts };
}

const seal = (magic, what, body, key) => {
  const said = Buffer.concat([Buffer.from(`braidcast live ${what} v1\n`), body]);
  return { bytes: Buffer.concat([Buffer.from(magic), u8(1), sign(null, said, key), body]), said };
};
const publicOf = (pair) => Buffer.from(pair.publicKey.export({ format: "jwk" }).x, "base64url");

/** A stream that is `ageMs` old, of the same publisher as the stream `before`, if there is one. */
export class LiveOrigin {
  #publisher = generateKeyPairSync("ed25519");
  #session = generateKeyPairSync("ed25519");
  #heads = []; // { number, bytes }
  #previous = Buffer.alloc(32);
  #told; // parts of each rendition that heads have told of
  #waiting = new Set();
  #timer;
  withholdsHeads = false;

  constructor({ ageMs = 20_000, name = "stage", before = null } = {}) {
    if (before) this.#publisher = before.#publisher;
    this.renditions = renditions();
    this.#told = this.renditions.map(() => 0);
    this.bornMs = Date.now() - ageMs;
    const publisher = publicOf(this.#publisher);
    this.key = publisher.toString("base64url");
    const of = Buffer.concat([publisher, u64(this.bornMs), Buffer.from(name)]);
    const context = Buffer.from("braidcast 2026 swarm of a live stream, peer wire 1");
    this.stream = Buffer.from(blake3(of, { context, dkLen: 32 })).subarray(0, 20);
    const list = this.renditions.map(({ id, kind, kbps, init }) =>
      Buffer.concat([u8(id.length), Buffer.from(id), u8(kind), u32(kbps * 1000), u8(1), blake3(init)]));
    const description = Buffer.concat([publisher, u64(this.bornMs), u8(name.length), Buffer.from(name), u32(1), u32(PIECE), u8(list.length), ...list]);
    this.description = seal("BCLS", "stream", description, this.#publisher.privateKey).bytes;
    const delegation = Buffer.concat([this.stream, u32(1), publicOf(this.#session), u64(this.bornMs), u64(this.bornMs + 3_600_000)]);
    this.delegation = seal("BCLD", "delegation", delegation, this.#publisher.privateKey).bytes;
    this.#timer = setInterval(() => this.#live(), 20);
    this.#live();
  }

  close() {
    clearInterval(this.#timer);
  }

  get nowMs() {
    return Date.now() - this.bornMs;
  }

  born({ parts }) {
    return parts.filter(({ endMs }) => endMs <= this.nowMs);
  }

  /** One head for what has been born since the last look, and an answer for whoever waits for it. */
  #live() {
    const entries = [];
    this.renditions.forEach((rendition, r) => {
      const born = this.born(rendition);
      for (const part of born.slice(this.#told[r])) {
        const piece = (part.leaves ??= leaves(part.bytes, PIECE));
        entries.push(Buffer.concat([u8(r), u8(part.cut), u32(part.sequence), u32(part.startMs), u32(part.endMs - part.startMs), u32(part.bytes.length), u16(piece.length), ...piece]));
      }
      this.#told[r] = born.length;
    });
    for (let at = 0; at < entries.length; at += 200) this.#head(entries.slice(at, at + 200));
    for (const look of [...this.#waiting]) look();
  }

  #head(entries) {
    const now = Date.now();
    const first = this.renditions.map(({ parts }) => u32(parts.find(({ endMs }) => endMs > this.nowMs - WINDOW_MS)?.sequence ?? 1));
    const number = (this.#heads.at(-1)?.number ?? 0) + 1;
    const body = Buffer.concat([this.stream, u32(1), u64(number), u64(now), u64(now + HEAD_LIVES_MS), this.#previous,
      u8(first.length), ...first, u16(entries.length), ...entries]);
    const { bytes, said } = seal("BCLH", "head", body, this.#session.privateKey);
    this.#previous = Buffer.from(blake3(said));
    this.#heads.push({ number, bytes });
  }

  #until(check, ms) {
    return new Promise((resolve) => {
      const late = setTimeout(() => done(null), ms);
      const done = (value) => {
        clearTimeout(late);
        this.#waiting.delete(look);
        resolve(value);
      };
      const look = () => {
        const value = check();
        if (value) done(value);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** The answer to a request for a path below the stream's folder; `null`: there is nothing. */
  async answer(path, query) {
    if (path === "live.bcs") return this.description;
    if (path === "master.m3u8") return Buffer.from(this.#master());
    if (path === "heads") {
      const after = Number(query.get("epoch")) === 1 ? Number(query.get("after")) : 0;
      const news = await this.#until(() => {
        const heads = this.withholdsHeads ? [] : this.#heads.filter(({ number }) => number > after);
        return heads.length ? heads : null;
      }, 20_000);
      const all = [...(after === 0 ? [this.delegation] : []), ...(news ?? []).map(({ bytes }) => bytes)];
      return Buffer.concat(all.flatMap((bytes) => [u32(bytes.length), bytes]));
    }
    const [, id, rest] = /^(\w+)\/(.*)$/.exec(path) ?? [];
    const rendition = this.renditions.find((rendition) => rendition.id === id);
    if (!rendition) return null;
    if (rest === "media.m3u8") {
      const [msn, part] = ["_HLS_msn", "_HLS_part"].map((name) => query.get(name));
      if (msn) {
        const there = ({ segment, index }) => segment > Number(msn) || (segment === Number(msn) && part !== null && index >= Number(part));
        await this.#until(() => this.born(rendition).some(there), 6000);
      }
      return Buffer.from(this.#playlist(rendition, query.get("_HLS_skip") === "YES"));
    }
    if (rest === "init/1.mp4") return rendition.init;
    const [, isPart, number] = /^(part\/)?(\d+)\.m4s$/.exec(rest) ?? [];
    const born = this.born(rendition);
    if (isPart) return born.find(({ sequence }) => sequence === Number(number))?.bytes ?? null;
    const parts = born.filter(({ segment }) => segment === Number(number));
    return parts.length && born.at(-1).segment > Number(number) ? Buffer.concat(parts.map(({ bytes }) => bytes)) : null;
  }

  #master() {
    const variants = this.renditions.filter(({ kind }) => kind === 0).map(({ id, kbps, size }) =>
      `#EXT-X-STREAM-INF:BANDWIDTH=${(kbps + 96) * 1100},RESOLUTION=${size},CODECS="avc1.42c01e,mp4a.40.2",AUDIO="audio"\n${id}/media.m3u8\n`);
    return `#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,URI="a0/media.m3u8"\n${variants.join("")}`;
  }

  #playlist(rendition, isDelta) {
    const born = this.born(rendition);
    const edge = born.at(-1);
    const lines = ["#EXTM3U", "#EXT-X-VERSION:9", `#EXT-X-TARGETDURATION:${SEGMENT_S}`,
      `#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=${(PART_S * 3).toFixed(2)},HOLD-BACK=${SEGMENT_S * 3}.0,CAN-SKIP-UNTIL=${SEGMENT_S * 6}.0`,
      `#EXT-X-PART-INF:PART-TARGET=${PART_S}`, "#EXT-X-MEDIA-SEQUENCE:1", "#EXT-X-INDEPENDENT-SEGMENTS"];
    const skipped = isDelta ? Math.max(0, edge.segment - 8) : 0;
    if (skipped > 0) lines.push(`#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}`);
    const query = `?v=${this.bornMs}`;
    lines.push(`#EXT-X-MAP:URI="init/1.mp4${query}"`);
    for (let segment = skipped + 1; segment <= edge.segment; segment++) {
      const parts = born.filter((part) => part.segment === segment);
      lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(this.bornMs + parts[0].startMs).toISOString()}`);
      if (segment >= edge.segment - 3) {
        for (const { startMs, endMs, sequence, index } of parts) {
          const isIndependent = rendition.kind === 1 || index === 0;
          lines.push(`#EXT-X-PART:DURATION=${((endMs - startMs) / 1000).toFixed(3)},URI="part/${sequence}.m4s${query}"${isIndependent ? ",INDEPENDENT=YES" : ""}`);
        }
      }
      if (segment < edge.segment) lines.push(`#EXTINF:${((parts.at(-1).endMs - parts[0].startMs) / 1000).toFixed(3)},`, `${segment}.m4s${query}`);
    }
    lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part/${edge.sequence + 1}.m4s${query}"`);
    return lines.join("\n") + "\n";
  }
}
