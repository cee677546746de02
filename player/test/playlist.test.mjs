// Playlists of a live stream that are carried on by what heads tell.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./lib/bundle.mjs";
import { LiveOrigin } from "./lib/live.mjs";

const { Times } = await load("live/index.ts");
const { Playlist } = await load("live/playlist.ts");
const { Playlists } = await load("live/playlists.ts");
const { segmentKey } = await load("ops.ts");
globalThis.document = { baseURI: "http://o/live/" };

/** A stream whose clock is turned by hand. */
class Stage extends LiveOrigin {
  at = 0;
  get nowMs() {
    return this.at ?? 0;
  }
}
const stage = (run) => async () => {
  const stream = new Stage({ ageMs: 0 });
  try {
    await run(stream);
  } finally {
    stream.close();
  }
};
const text = async (stream, id, skip = "") => String(await stream.answer(`${id}/media.m3u8`, new URLSearchParams(skip)));
const times = (stream, r, from) =>
  stream.born(stream.renditions[r]).filter(({ sequence }) => sequence >= from);
/** What of a playlist is said of each part and segment. */
const said = (text) => text.split("\n").filter((line) => /^#EXT-X-PART:|^#EXTINF|^#EXT-X-PROGRAM|^[^#]|PRELOAD/.test(line))
  .map((line) => line.replace(/[\d.]+,?(?=URI|$)/, (number) => (line.startsWith("#EXTINF") || line.startsWith("#EXT-X-PART") ? Number.parseFloat(number).toFixed(2) : number)));

test("what is carried on says at each part what the origin says", stage(async (stream) => {
  for (const [r, { id }] of stream.renditions.entries()) {
    stream.at = 21_000;
    const playlist = Playlist.read(await text(stream, id));
    for (; stream.at < 60_000; stream.at += 130) {
      for (const time of times(stream, r, playlist.lastPart)) assert.ok(playlist.add(time, stream.bornMs));
      // Its list may begin a little earlier than the origin's, and never has less.
      const [mine, origins] = [said(playlist.text), said(await text(stream, id, "_HLS_skip=YES"))];
      const parts = (lines) => lines.filter((line) => !line.startsWith("#EXT-X-PROGRAM"));
      const listed = new Set(parts(mine));
      const near = parts(origins).filter((line) => !/^#EXTINF|^\d+\.m4s/.test(line));
      assert.deepEqual(near.filter((line) => !listed.has(line)), [], `${id} at ${stream.at}`);
      // This origin lists a segment when the next one has begun, heads when its last part is there.
      const whole = (lines) => Math.max(...lines.filter((line) => /^\d+\.m4s/.test(line)).map(Number.parseFloat));
      assert.ok([whole(origins), whole(origins) + 1].includes(whole(mine)));
    }
    assert.match(playlist.text, /#EXT-X-MEDIA-SEQUENCE:1\n/);
    assert.match(playlist.text, /#EXT-X-SKIP:SKIPPED-SEGMENTS=\d+\n#EXT-X-MAP:URI="init\/1.mp4\?v=\d+"\n#EXT-X-PROGRAM-DATE-TIME/);
    assert.ok(playlist.text.length < 6000, "it does not grow");
  }
}));

test("whenever it was read, it goes on with the segments that the origin has", stage(async (stream) => {
  const segments = (text) => said(text).filter((line) => /^#EXTINF|^\d+\.m4s/.test(line));
  for (const [r, { id }] of stream.renditions.entries()) {
    for (let readAt = 20_000; readAt < 22_500; readAt += 50) {
      stream.at = readAt;
      const playlist = Playlist.read(await text(stream, id));
      stream.at = 31_000;
      assert.ok(times(stream, r, playlist.lastPart).every((time) => playlist.add(time, stream.bornMs)));
      const origins = segments(await text(stream, id));
      assert.deepEqual(segments(playlist.text).slice(-12), origins.slice(-12), `${id}, read at ${readAt}`);
    }
  }
}));

test("one of which heads have not told how its last part is cut asks the origin", stage(async (stream) => {
  const [{ parts }] = stream.renditions;
  stream.at = parts.find(({ segment, index }) => segment === 11 && index === 4).endMs + 50; // all of a segment that is not listed yet
  const playlist = Playlist.read(await text(stream, "v0"));
  assert.equal(playlist.add(parts[playlist.lastPart], stream.bornMs), false);
}));

test("it says when it has what was asked for, and never before", stage(async (stream) => {
  stream.at = 20_900;
  const playlist = Playlist.read(await text(stream, "v0"));
  const at = (segment, index) => stream.renditions[0].parts.find((part) => part.segment === segment && part.index === index);
  const last = stream.born(stream.renditions[0]).at(-1);
  assert.ok(playlist.has(last.segment, last.index) && !playlist.has(last.segment, last.index + 1));
  assert.ok(playlist.has(last.segment - 1, undefined) && playlist.has(last.segment - 1, 99) && !playlist.has(last.segment, undefined));
  for (let sequence = last.sequence; !playlist.has(last.segment, undefined); sequence++) {
    assert.ok(playlist.add(stream.renditions[0].parts[sequence - 1], stream.bornMs));
  }
  assert.ok(!playlist.has(last.segment, 99), "a part past the last is the first of the next segment");
  assert.ok(playlist.add(at(last.segment + 1, 0), stream.bornMs));
  assert.ok(playlist.has(last.segment, 99) && playlist.has(last.segment + 1, 0) && !playlist.has(last.segment + 1, 1));
}));

test("what heads do not tell all of is asked of the origin", stage(async (stream) => {
  stream.at = 20_900;
  const playlist = Playlist.read(await text(stream, "v0"));
  const [last, next] = stream.renditions[0].parts.slice(playlist.lastPart - 1);
  assert.ok(playlist.add(last, 0), "known already");
  assert.equal(playlist.add({ ...next, sequence: next.sequence + 1 }, 0), false, "one is missing");
  assert.equal(playlist.add({ ...next, cut: next.cut | 4 }, 0), false, "something stands before it");
  for (const no of ["", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv0/media.m3u8\n", `${await text(stream, "v0")}#EXT-X-ENDLIST\n`,
    (await text(stream, "v0")).replace("CAN-SKIP", "X"), (await text(stream, "v0")).replaceAll("part/", "p/")]) {
    assert.equal(Playlist.read(no), null, no.slice(-60));
  }
}));

test("date ranges and init segments of what is skipped stay", () => {
  const header = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.0\n#EXT-X-MEDIA-SEQUENCE:5\n";
  const segment = (n) => `#EXT-X-PART:DURATION=1.0,URI="part/${n}.m4s"\n#EXTINF:1.0,\n${n}.m4s\n`;
  const playlist = Playlist.read(`${header}#EXT-X-MAP:URI="init/1.mp4"\n#EXT-X-DATERANGE:ID="a"\n${segment(5)}#EXT-X-MAP:URI="init/2.mp4"\n${segment(6)}${segment(7)}`);
  for (let sequence = 8; sequence < 40; sequence++) assert.ok(playlist.add({ sequence, startMs: sequence * 1000, endMs: sequence * 1000 + 1000, cut: 3 }, 0));
  assert.match(playlist.text, /SKIPPED-SEGMENTS=28\n#EXT-X-DATERANGE:ID="a"\n#EXT-X-MAP:URI="init\/2.mp4"\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:33.000Z\n/);
  assert.equal(playlist.text.match(/EXTINF:1.000,/g).length, 7);
});

// ---- As hls.js asks -------------------------------------------------------------------------------------------------

/** What hls.js would have used; its answers come when they are told to. */
class Plain {
  static asked = [];
  stats = { loading: { start: 0, first: 0, end: 0 }, loaded: 0, total: 0 };
  context = null;
  isAborted = false;
  load(context, _how, callbacks) {
    assert.equal(this.stats.loading.start, 0, "hls.js's own loads once only");
    this.stats.loading.start = performance.now();
    Plain.asked.push({ context, answer: (data) => callbacks.onSuccess({ url: context.url, data }, this.stats, context, null) });
  }
  abort() {
    this.isAborted = true;
  }
  destroy() {}
}

test("the origin is asked where nothing is known, and spared where heads tell; an ask that ends is no more heard of", stage(async (stream) => {
  stream.at = 20_900;
  const times = new Times();
  const tell = (part) => times.tell(segmentKey(0, part.sequence), part.startMs, part.endMs - part.startMs, part.cut);
  const { parts } = stream.renditions[0];
  const playlists = new Playlists(times, stream.bornMs);
  const answers = [];
  const ask = (msn, part, skip = "YES") => {
    const plain = new Plain();
    const context = { url: "http://o/live/v0/media.m3u8?_HLS_msn=1", deliveryDirectives: msn ? { msn, part, skip } : null };
    playlists.load(plain, 0, context, {}, { onSuccess: ({ data }) => answers.push(data) });
    return plain;
  };
  const pause = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));
  const born = stream.born(stream.renditions[0]);
  born.forEach(tell);
  ask();
  assert.equal(Plain.asked.length, 1);
  Plain.asked[0].answer(await text(stream, "v0"));
  assert.equal(answers.length, 1);

  const [next, later] = parts.slice(born.length);
  ask(next.segment, next.index);
  await pause();
  assert.deepEqual([Plain.asked.length, answers.length], [1, 1], "it waits for its part");
  tell(next);
  assert.deepEqual([Plain.asked.length, answers.length, playlists.spared], [1, 2, 1]);
  assert.ok(answers[1].includes(`part/${next.sequence}.m4s`));

  const plain = ask(later.segment, later.index);
  await pause();
  plain.abort();
  tell(later);
  assert.deepEqual([answers.length, plain.isAborted], [2, true]);

  ask(later.segment, later.index, "");
  assert.equal(Plain.asked.length, 2, "the whole of it is the origin's to tell");
  ask(later.segment + 5, 0);
  await pause(1200);
  assert.equal(Plain.asked.length, 3, "heads are silent");
  // The origin is far ahead of the heads: they come too late to be of use.
  stream.at += 8000;
  Plain.asked[2].answer(await text(stream, "v0"));
  ask(later.segment + 5, 0);
  assert.equal(Plain.asked.length, 4);
}));
