// A reverse proxy before the origin: counts what leaves it, by kind and by viewer, shapes it to an uplink, and can cut it.
// It is the measure of "bytes from the origin" in every scenario: what a viewer says about itself is compared with it.

import http from "node:http";
import net from "node:net";
import { Shaper } from "./shaper.mjs";

const MEDIA = /^\/s\/[^/]+\/[va]\d+\/(?:init\.mp4|init\/\d+\.mp4|(?:part\/)?\d+\.m4s)$/;
/** Viewers name themselves at the end of their User-Agent. */
const VIEWER = / viewer\/(\w+)$/;

/**
 * @param {{ upstream: () => URL, bitsPerSecond?: number, address?: string, pages?: (path: string) => { type: string, body: Buffer, gzip?: boolean } | null,
 *   change?: (path: string) => ((body: Buffer) => Buffer) | null }} config
 *   `pages` are the tests' own files, sent through the same uplink; `change` says what becomes of the origin's; `address` is where it listens.
 */
export async function proxy({ upstream, bitsPerSecond = Infinity, pages = () => null, change = () => null, address = "127.0.0.1" }) {
    const shaper = new Shaper(bitsPerSecond);
    const counts = fresh();
    const sockets = new Set();
    const tracked = new Set();
    const cuts = new Set();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

    const server = http.createServer((request, response) => {
        if (cuts.has("all") || cuts.has("http")) return request.socket.destroy();
        const path = request.url.split("?")[0];
        const viewer = VIEWER.exec(request.headers["user-agent"] ?? "")?.[1] ?? "other";
        const media = MEDIA.test(path);
        const entry = { at: performance.now(), viewer, path, media, status: 0, bytes: 0 };
        counts.requests.push(entry);
        const flow = shaper.flow((chunk) => {
            entry.bytes += chunk.length;
            count(counts, viewer, media ? "media" : "other", chunk.length);
            return response.write(chunk);
        });
        response.on("drain", flow.resume);
        const page = pages(path);
        if (page) {
            entry.status = 200;
            const headers = { "content-type": page.type, "cache-control": "no-store" };
            if (page.gzip) headers["content-encoding"] = "gzip";
            response.writeHead(200, headers);
            flow.write(page.body);
            flow.end(() => response.end());
            response.on("close", flow.abort);
            return;
        }
        const to = upstream();
        const changed = change(path);
        const headers = changed ? { ...request.headers, "accept-encoding": "identity" } : request.headers;
        const asked = http.request(
            { host: to.hostname, port: to.port, method: request.method, path: request.url, headers, agent },
            async (answer) => {
                entry.status = answer.statusCode;
                try {
                    if (changed && answer.statusCode === 200) {
                        const body = changed(Buffer.concat(await answer.toArray()));
                        response.writeHead(200, { "content-type": answer.headers["content-type"], "cache-control": "no-store" });
                        await flow.write(body);
                        return flow.end(() => response.end());
                    }
                    response.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
                    for await (const chunk of answer) await flow.write(chunk);
                    flow.end(() => response.end());
                } catch {
                    response.destroy();
                }
            },
        );
        // A dead origin looks dead: no 502 in its place.
        asked.on("error", () => request.socket.destroy());
        response.on("close", () => {
            flow.abort();
            if (!response.writableFinished) asked.destroy();
        });
        request.pipe(asked);
    });

    server.on("upgrade", (request, socket, head) => {
        if (cuts.has("all") || cuts.has("tracker")) return socket.destroy();
        const to = upstream();
        const origin = net.connect(Number(to.port), to.hostname, () => {
            const lines = [`${request.method} ${request.url} HTTP/1.1`];
            for (let at = 0; at < request.rawHeaders.length; at += 2) {
                lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
            }
            origin.write(`${lines.join("\r\n")}\r\n\r\n`);
            if (head.length) origin.write(head);
            socket.pipe(origin);
        });
        origin.setNoDelay(true);
        socket.setNoDelay(true);
        const viewer = VIEWER.exec(request.headers["user-agent"] ?? "")?.[1] ?? "other";
        const flow = shaper.flow((chunk) => {
            count(counts, viewer, "tracker", chunk.length);
            return socket.write(chunk);
        });
        socket.on("drain", flow.resume);
        origin.on("data", async (chunk) => {
            const wait = flow.write(chunk);
            if (!wait) return;
            origin.pause();
            await wait;
            origin.resume();
        });
        const close = () => {
            tracked.delete(socket);
            flow.abort();
            socket.destroy();
            origin.destroy();
        };
        tracked.add(socket);
        for (const end of [socket, origin]) end.on("close", close).on("error", close);
    });

    server.on("connection", (socket) => {
        socket.setNoDelay(true);
        if (cuts.has("all")) return socket.destroy();
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    });
    server.keepAliveTimeout = 60_000;
    await new Promise((resolve) => server.listen(0, address, resolve));

    return {
        url: `http://${address}:${server.address().port}`,
        counts,
        shaper,
        /** Forgets what was counted so far. */
        reset() {
            Object.assign(counts, fresh());
        },
        /** Cuts "tracker" (its sockets only), "http" (all but those), or "all", as if the machine behind were gone. */
        cut(what) {
            cuts.add(what);
            const isCut = (socket) => what === "all" || (what === "tracker") === tracked.has(socket);
            for (const socket of [...sockets].filter(isCut)) socket.destroy();
        },
        heal(what) {
            cuts.delete(what);
        },
        async close() {
            agent.destroy();
            for (const socket of [...sockets, ...tracked]) socket.destroy();
            await new Promise((resolve) => server.close(resolve));
        },
    };
}

function fresh() {
    return { media: 0, other: 0, tracker: 0, byViewer: {}, requests: [] };
}

function count(counts, viewer, kind, bytes) {
    counts[kind] += bytes;
    counts.byViewer[viewer] ??= { media: 0, other: 0, tracker: 0 };
    counts.byViewer[viewer][kind] += bytes;
}
