// The npm tracker on a port of this machine, WebSockets only: `node bittorrent.mjs PORT`.

import Server from "bittorrent-tracker/server";

const server = new Server({ udp: false, http: false, ws: true, stats: false, interval: 120_000 });
server.on("error", (error) => {
    throw error;
});
server.on("warning", () => {});
server.listen(Number(process.argv[2]), "127.0.0.1");
