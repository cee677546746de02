// A static origin for tests that counts what it sends, and can be told to misbehave.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const DIST = fileURLToPath(new URL("../../dist", import.meta.url));

const TYPES = { html: "text/html", js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm", css: "text/css",
  svg: "image/svg+xml", m3u8: "application/vnd.apple.mpegurl", m4s: "video/mp4", mp4: "video/mp4", json: "application/json" };

/** Serves `/film/` (and `/s/film/`) from `folder`, the pages of dist as `braidcast serve` does, `/player/` from dist, and `pages` ({ path: html }), and below `/live/` what the stream `live` answers. `change(path, bytes)` may replace what is sent; `null` breaks the connection; a number is a status. */
export async function startOrigin({ folder, live = null, pages = {}, change = (_path, bytes) => bytes, delayMs = () => 0 }) {
  const state = { requests: [], bytes: 0, segmentBytes: 0, change, delayMs };
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://x");
    const path = decodeURIComponent(pathname);
    state.requests.push({ path, at: Date.now(), cacheControl: request.headers["cache-control"] ?? "" });
    let body;
    try {
      if (path === "/" || /^\/watch\/\w+$/.test(path)) body = await readFile(join(DIST, path === "/" ? "index.html" : "watch.html"));
      else if (pages[path]) body = Buffer.from(pages[path]);
      else if (path.startsWith("/player/")) body = await readFile(join(DIST, normalize(path.slice(8))));
      else if (live && /^(\/s)?\/live\//.test(path)) body = await live.answer(path.slice(path.indexOf("/live/") + 6), searchParams);
      else if (/^(\/s)?\/film\//.test(path)) body = await readFile(join(folder, normalize(path.slice(path.indexOf("/film/") + 6))));
      if (!body) throw new Error("nothing there");
    } catch {
      response.writeHead(404).end();
      return;
    }
    const wait = state.delayMs(path);
    if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
    body = state.change(path, body);
    if (body === null) return void request.socket.destroy();
    if (typeof body === "number") return void response.writeHead(body).end();
    const type = pages[path] || path === "/" || path.startsWith("/watch/") ? "text/html" : (TYPES[path.split(".").pop()] ?? "application/octet-stream");
    const headers = { "content-type": type, "access-control-allow-origin": "*", "cache-control": "no-store" };
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const part = range ? body.subarray(Number(range[1]), Number(range[2]) + 1) : body;
    if (range) headers["content-range"] = `bytes ${range[1]}-${range[2]}/${body.length}`;
    state.bytes += part.length;
    if (path.endsWith(".m4s")) state.segmentBytes += part.length;
    response.writeHead(range ? 206 : 200, { ...headers, "content-length": part.length });
    response.end(part);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, state, server, close: () => { server.closeAllConnections(); server.close(); } };
}
