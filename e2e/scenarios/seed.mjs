// A seeder among the viewers of pages that run p2p-media-loader as it comes from npm.

import { sum } from "../lib/report.mjs";
import { seed } from "../lib/natives.mjs";
import { sleep } from "../lib/serve.mjs";
import { LADDER, showing, stage } from "../lib/stage.mjs";
import { start } from "../tracker/tracker.mjs";

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ release: string, viewers: number, seconds: number, gapMs: number, shareMin: number, cutAfterMs?: number, preset?: string, nodes?: number }} how
 *   with `cutAfterMs` the origin is gone so long after the last viewer has come; with `nodes` all meet at so many trackers that are one,
 *   each at the next of them
 */
export async function seeding(report, how) {
    const { release, viewers, seconds, gapMs, shareMin, cutAfterMs, preset, nodes } = how;
    const on = await stage({ seconds, ladder: LADDER, preset });
    let [seeder, cluster] = [null, null];
    try {
        const src = on.at(`/s/${on.card.slug}/master.m3u8`);
        cluster = nodes ? await start(nodes) : null;
        const tracker = () => cluster?.url ?? on.at("/tracker").replace("http", "ws");
        seeder = await seed({ hls: src, tracker: tracker() });
        await seeder.full;
        on.page = () => on.at(`/bench/pml.html?${new URLSearchParams({ release, src, tracker: tracker() })}`);
        const told = [];
        const seen = await showing(on, {
            mode: "pml",
            viewers,
            gapMs,
            limitMs: seconds * 1000 + 60_000,
            during: async (all) => {
                for (const one of all) await one.until(() => window.readProbe().startupMs !== null, "playing");
                if (cutAfterMs !== undefined) {
                    await sleep(cutAfterMs);
                    on.front.cut("http");
                }
                while (!(await Promise.all(all.map((one) => one.probe()))).every((one) => one.ended)) await sleep(500);
                for (const one of all) told.push(await one.page.evaluate(() => ({ ...window.pml })));
            },
        });
        const moved = await seeder.moved();
        const [http, p2p] = [sum(told.map((one) => one.http)), sum(told.map((one) => one.p2p))];
        report.holds("every viewer saw the film to its end", seen.every((one) => one.ended));
        report.figure(`share of media that came from seeder and viewers, release ${release}`, (100 * p2p) / (http + p2p), {
            min: 100 * shareMin,
            unit: "%",
            digits: 1,
        });
        report.figure("media that the seeder gave", moved.toPeers / 1e6, { unit: "MB" });
        report.figure("media that came by P2P", p2p / 1e6, { unit: "MB" });
        report.figure("stalls of the worst viewer", Math.max(...seen.map((one) => one.stalls)), { max: 0 });
        report.rows("viewers", told.map((one, at) => ({
            viewer: seen[at].name,
            "http MB": (one.http / 1e6).toFixed(2),
            "p2p MB": (one.p2p / 1e6).toFixed(2),
            peers: one.peers.length,
            "start-up ms": Math.round(seen[at].startupMs),
            stalls: seen[at].stalls,
            "stalled s": seen[at].stalledS.toFixed(2),
        })));
        return { seen, told, moved };
    } finally {
        await seeder?.stop();
        await cluster?.stop();
        await on.close();
    }
}
