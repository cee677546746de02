// A tracker for tests: just enough of the protocol, with our additions (`named: true`) or as others do it. `more`: what every reply has beside that.
import { WebSocketServer } from "ws";

export async function startTracker({ named = true, interval = 30, server = null, more = {} } = {}) {
  const members = new Map(); // peer id -> socket
  const log = [];
  const wss = new WebSocketServer(server ? { server, path: "/tracker" } : { port: 0, host: "127.0.0.1" });
  wss.on("connection", (socket) => {
    const mine = new Set();
    const send = (to, message) => to.send(JSON.stringify(message));
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      log.push(message);
      const { info_hash, peer_id, to_peer_id, offer_id } = message;
      const base = { action: "announce", info_hash };
      if (to_peer_id) {
        const to = members.get(to_peer_id);
        if (!to) return send(socket, { ...base, offer_id, to_peer_id, "failure reason": "no such peer" });
        const { offer, answer } = message;
        return send(to, offer ? { ...base, peer_id, offer, offer_id } : { ...base, peer_id, answer, offer_id });
      }
      if (message.event === "stopped") return void members.delete(peer_id);
      members.set(peer_id, socket);
      mine.add(peer_id);
      const others = [...members.keys()].filter((id) => id !== peer_id);
      const candidates = named && message.want ? { candidates: others.slice(0, message.want) } : {};
      send(socket, { ...base, interval, complete: 0, incomplete: members.size, ...candidates, ...more });
      (message.offers ?? []).forEach(({ offer, offer_id }, i) => {
        const to = others[i] && members.get(others[i]);
        if (to) send(to, { ...base, peer_id, offer, offer_id });
      });
    });
    socket.on("close", () => mine.forEach((id) => members.delete(id)));
  });
  if (!server) await new Promise((resolve) => wss.once("listening", resolve));
  const close = () => { wss.clients.forEach((client) => client.terminate()); wss.close(); };
  return { url: server ? null : `ws://127.0.0.1:${wss.address().port}/tracker`, members, log, close, wss };
}
