import { broadcast } from "./lib/broadcast.mjs";
import { DELAYS } from "./lib/camera.mjs";
import { sleep } from "./lib/serve.mjs";
const on = await broadcast({});
await sleep(Number(process.argv[2] ?? 2000));
const one = await on.open("v0", "braidcast", { attributes: { latency: "low", debug: "" }, scripts: [DELAYS] });
const others = [];
for (let i = 0; i < 9; i++) {
  await sleep(1500);
  if (i < 2) others.push(await on.open(`v${i + 1}`, "braidcast", { attributes: { latency: "low" } }));
  const s = await one.page.evaluate(() => { const h = player.hls, v = player.video ?? probe.video, d = h?.latestLevelDetails; const b = []; for (let i = 0; i < v.buffered.length; i++) b.push([v.buffered.start(i).toFixed(2), v.buffered.end(i).toFixed(2)]); const st = player.engine.stats();
   return { t: v.currentTime.toFixed(2), b, edge: d?.edge?.toFixed(2), partEdge: d?.partEnd?.toFixed?.(2), lastPart: d?.partList?.at(-1)?.index, sn: d?.endSN, frag: d?.fragments?.length, spared: st.playlistsSpared, parts: st.parts, o: st.bytesFromOrigin, sync: h?.liveSyncPosition?.toFixed(2), lvl: h?.currentLevel, load: h?.loadLevel, rs: v.readyState, state: h?.streamController?.state, astate: h?.audioController?.state ?? null }; });
  console.log(JSON.stringify(s)); if (i > 3) console.log(JSON.stringify(on.front.counts.requests.filter((r) => r.viewer === 'v0' && r.at > performance.now() - 1500).map((r) => r.path.split('/').slice(3).join('/') + ' ' + r.status + ' ' + r.bytes)));
}
console.log(one.log.slice(-30).join("\n"));
await on.close(); process.exit(0);
