// The same clients and pages, each at another one of three trackers that are one; and pages that run p2p-media-loader.

import { test } from "node:test";
import { Report } from "../lib/report.mjs";
import { verdict } from "../lib/verdict.mjs";
import { seeding } from "../scenarios/seed.mjs";

process.env.TRACKER_NODES = "3";
await import("./clients.test.mjs");
await import("./webtorrent.test.mjs");

test("pages that run p2p-media-loader find each other, and a seeder, each at another tracker", { timeout: 180_000 }, async () => {
    const report = new Report("p2p-media-loader at three trackers");
    // The seeder is at the first one.
    const { told } = await seeding(report, { release: "2.3.1", viewers: 2, seconds: 30, gapMs: 1000, shareMin: 0.3, nodes: 3 });
    report.holds("every page met the other one and the seeder", told.every((one) => new Set(one.peers).size >= 2));
    verdict(report);
});
