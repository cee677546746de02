// The same clients and pages, each at another one of three trackers that are one.

process.env.TRACKER_NODES = "3";
await import("./clients.test.mjs");
await import("./webtorrent.test.mjs");
