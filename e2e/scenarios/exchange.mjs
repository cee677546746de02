// Viewers that have no tracker in common meet through one that knows both: a row of two browsers with a native viewer between.

import { sleep } from "../lib/serve.mjs";
import { LADDER, stage, viewerRows, result } from "../lib/stage.mjs";
import { proxy } from "../lib/proxy.mjs";
import { watch } from "../lib/natives.mjs";

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ seconds: number, meetsWithinMs: number, preset?: string }} how
 */
export async function exchange(report, { seconds, meetsWithinMs, preset }) {
    const on = await stage({ seconds, ladder: LADDER, preset });
    // Another way to the same tracker, which is cut by itself.
    const aside = await proxy({ upstream: () => new URL(on.origin.url) });
    const opened = [];
    try {
        const [first, second] = [on.front, aside].map(({ url }) => `${url.replace("http", "ws")}/tracker`);
        const args = ["--tracker", second];
        const node = await watch({ url: on.at(`/s/${on.card.slug}/master.m3u8`), key: on.key, args });
        const one = await on.open("one", "braidcast", { attributes: { tracker: first } });
        opened.push(one);
        const linked = (page, count, ms) =>
            page.until(`window.player?.engine?.stats().peersConnected >= ${count}`, `linked to ${count}`, ms);
        await linked(one, 1, 60_000);
        on.front.cut("tracker");

        const two = await on.open("two", "braidcast", { attributes: { tracker: second } });
        opened.push(two);
        await linked(two, 1, 60_000);
        aside.cut("tracker");
        const began = Date.now();
        for (const viewer of opened) await linked(viewer, 2, meetsWithinMs);
        const metMs = Date.now() - began;
        await node.stop();
        // What passes now passes between the two that met through the one that is gone.
        const before = await Promise.all(opened.map((viewer) => viewer.stats()));
        await sleep(5000);
        const results = await Promise.all(opened.map((viewer) => result(on, viewer)));
        report.figure("until both ends of the row were linked", metMs / 1000, { max: meetsWithinMs / 1000, unit: "s" });
        report.holds("no viewer had a tracker by then", before.every((stats) => !stats.trackerConnected));
        report.holds("they stay linked without the one between", results.every(({ stats }) => stats.peersConnected === 1));
        report.figure("stalls of both", results[0].stalls + results[1].stalls, { max: 0 });
        report.rows("with the tracker cut", viewerRows(results));
    } finally {
        for (const viewer of opened) await viewer.close().catch(() => {});
        await aside.close();
        await on.close();
    }
}
