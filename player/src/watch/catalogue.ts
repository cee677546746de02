/** The list of films. */
import { bytesText, byId, clockText, h, json, type Card } from "./dom.js";

const list = byId<HTMLElement>("films");
const note = byId<HTMLElement>("note");

function tile(card: Card): HTMLElement {
  const base = `/s/${encodeURIComponent(card.slug)}/`;
  const heights = card.renditions.flatMap(({ height }) => (height ? [height] : []));
  const facts = [clockText(card.duration_s), heights.length ? `${Math.max(...heights)}p` : "", bytesText(card.bytes)];
  const picture = h("div", { class: "poster" }, h("span", { class: "length" }, clockText(card.duration_s)));
  if (card.poster) {
    const image = h("img", { src: base + encodeURIComponent(card.poster), alt: "", loading: "lazy" });
    image.onerror = () => image.remove();
    picture.prepend(image);
  }
  return h(
    "a",
    { class: "tile", href: `/watch/${encodeURIComponent(card.slug)}` },
    picture,
    h("h2", {}, card.title),
    h("p", { class: "facts" }, facts.slice(1).filter(Boolean).join(" · ")),
  );
}

try {
  const cards = await json<Card[]>("/api/v1/streams");
  list.append(...cards.map(tile));
  note.textContent = cards.length ? "" : "No films yet. Whoever runs this server adds them with braidcast serve FILM.";
} catch (error) {
  note.textContent = `The list could not be loaded: ${error instanceof Error ? error.message : String(error)}`;
}
