/** The page that shows a film or a live stream: the player, what it costs and saves, and who takes part. */
import type { BraidcastPlayer } from "../element.js";
import type { Engine, Stats } from "../engine.js";
import { byId, bytesText, h, json, rateText, type Card } from "./dom.js";
import { Picture } from "./picture.js";

const slug = decodeURIComponent(location.pathname.split("/").filter(Boolean)[1] ?? "");
const base = new URL(`/s/${encodeURIComponent(slug)}/`, location.href);
const player = document.querySelector("braidcast-player") as BraidcastPlayer;
const quality = byId<HTMLSelectElement>("quality");
const share = byId<HTMLInputElement>("share");
const upload = byId<HTMLInputElement>("upload");
const status = byId<HTMLElement>("status");
const picture = new Picture();
byId("picture").append(picture.element);

declare global {
  interface Window {
    /** The engine of the player on this page: `braidcast.stats()`. */
    readonly braidcast: Engine | null;
  }
}
Object.defineProperty(window, "braidcast", { get: () => player.engine });

// The film starts at once; its name and the publisher's key are fetched meanwhile.
const key = json<{ key: string }>("/api/v1/key").then(({ key }) => key);
const query = new URLSearchParams(location.search);
let isLive = false;
player.engineOptions = { key };
if (query.get("p2p") === "off") player.setAttribute("p2p", "off");
player.src = new URL("master.m3u8", base).href;

function showFilm(card: Card): void {
  document.title = `${card.title} · Braidcast`;
  byId("title").textContent = card.title;
  if (card.live) {
    isLive = true;
    key.then(showSnippet, () => {});
  }
  if (card.poster) player.setAttribute("poster", new URL(card.poster, base).href);
}

json<Card>(new URL("stream.json", base).href).then(showFilm, (error: Error) => {
  byId("title").textContent = error.message === "not found" ? "There is no such film here." : error.message;
});

// ---- What the viewer chooses ---------------------------------------------------------------------------------------

share.checked = player.sharing;
share.onchange = () => {
  player.sharing = share.checked;
  upload.disabled = !share.checked;
};
upload.disabled = !share.checked;
upload.onchange = () => {
  player.uploadKbps = Math.max(0.1, Number(upload.value) || 0.1) * 1000;
};

function showLevels(): void {
  const levels = player.hls?.levels ?? [];
  if (levels.length === quality.options.length - 1) return;
  const options = levels.map((level, i) =>
    h("option", { value: String(i) }, `${level.height ? `${level.height}p` : level.name} · ${rateText(level.bitrate)}`),
  );
  quality.replaceChildren(h("option", { value: "-1" }, "Automatic"), ...options.reverse());
  quality.value = String(player.hls?.autoLevelEnabled === false ? player.hls.loadLevel : -1);
}
quality.onchange = () => {
  if (player.hls) player.hls.nextLevel = Number(quality.value);
};

const snippet = byId<HTMLElement>("snippet");
function showSnippet(publisher: string | null): void {
  const address = `src="${new URL("master.m3u8", base).href}"`;
  const attributes = [address, isLive ? "live" : "", publisher ? `key="${publisher}"` : "", "controls"];
  const script = new URL("/player/braidcast-player.js", location.href).href;
  snippet.textContent =
    `<script src="${script}"></${"script"}>\n<braidcast-player ${attributes.filter(Boolean).join(" ")}></braidcast-player>`;
}
showSnippet(null);
key.then(showSnippet, () => {});
byId<HTMLButtonElement>("copy").onclick = async ({ currentTarget }) => {
  const button = currentTarget as HTMLButtonElement;
  try {
    await navigator.clipboard.writeText(snippet.textContent ?? "");
    button.textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(snippet); // no permission: at least it is marked
    button.textContent = "Marked";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
};

// ---- What is measured ----------------------------------------------------------------------------------------------

const rows: Record<string, (stats: Stats) => string> = {
  "Picture": ({ rendition: r }) => (r ? `${r.height}p · ${rateText(r.bandwidth)}` : "–"),
  "Behind live": ({ latencyS }) => (latencyS === null ? "" : `${latencyS.toFixed(1)} s`),
  "Watching now": ({ audience }) => (audience === null ? "–" : String(audience)),
  "Connected to": ({ peersConnected: n }) => `${n} viewer${n === 1 ? "" : "s"}`,
  "From viewers": ({ bytesFromPeers }) => bytesText(bytesFromPeers),
  "From the origin": ({ bytesFromOrigin }) => bytesText(bytesFromOrigin),
  "Given to viewers": ({ bytesToPeers }) => bytesText(bytesToPeers),
  "Start": ({ startupMs }) => (startupMs === null ? "–" : `${(startupMs / 1000).toFixed(2)} s`),
  "Interruptions": ({ stalls, stalledSeconds }) => (stalls ? `${stalls} · ${stalledSeconds.toFixed(1)} s` : "none"),
  "False pieces refused": ({ refused }) => String(refused),
};
const values = new Map(
  Object.keys(rows).map((name) => {
    const value = h("dd", {}, "–");
    byId("figures").append(h("div", {}, h("dt", {}, name), value));
    return [name, value];
  }),
);

function show(stats: Stats): void {
  for (const [name, text] of Object.entries(rows)) {
    const value = values.get(name);
    if (!value) continue;
    value.textContent = text(stats);
    value.parentElement?.toggleAttribute("hidden", value.textContent === "");
  }
  const received = stats.bytesFromPeers + stats.bytesFromOrigin;
  const part = received ? stats.bytesFromPeers / received : 0;
  byId("part").textContent = `${Math.round(part * 100)} %`;
  byId("bar").style.setProperty("--part", String(part));
  status.dataset["state"] = stats.state;
  status.textContent =
    stats.state === "origin-only"
      ? `From the origin alone: ${stats.reason}`
      : stats.state === "starting"
        ? "Starting"
        : stats.peersConnected
          ? `Shared with ${stats.peersConnected} viewer${stats.peersConnected === 1 ? "" : "s"}`
          : stats.trackerConnected
            ? "Waiting for other viewers"
            : "The tracker is away; playing from the origin";
  if (document.activeElement !== upload) upload.value = String(stats.uploadKbps / 1000);
  picture.show(stats);
  showLevels();
}

player.addEventListener("stats", (event) => show((event as CustomEvent<Stats>).detail));
player.addEventListener("error", (event) => {
  const { message } = (event as unknown as CustomEvent<{ message: string }>).detail;
  byId("problem").textContent = message;
});
player.video.addEventListener("playing", () => (byId("problem").textContent = ""));
