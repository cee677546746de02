/**
 * The live picture: this viewer in the middle, the origin above, the others around. A line's width shows how much has passed
 * along it so far, moving dashes what passes now, and in which direction.
 */
import { svg } from "./dom.js";
import type { PeerStats, Stats } from "../stats.js";

const WIDTH = 360;
const HEIGHT = 260;
const MIDDLE = { x: WIDTH / 2, y: 150 };
const RADIUS = { x: 142, y: 88 };
const ORIGIN = { x: WIDTH / 2, y: 30 };
const SLOTS = 24;
/** Half the distance between the two lines of a pair. */
const APART = 4;

interface Point {
  x: number;
  y: number;
}

interface Lane {
  line: SVGLineElement;
  before: number;
}

interface Node {
  slot: number;
  group: SVGGElement;
  into: Lane;
  out: Lane;
}

const width = (bytes: number): number => (bytes <= 0 ? 0 : Math.min(7, 0.8 + Math.log2(1 + bytes / 65_536) * 0.6));

/** Draws into one SVG element. */
export class Picture {
  readonly element = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "picture" });
  readonly #nodes = new Map<number, Node>();
  readonly #lanes = svg("g");
  readonly #dots = svg("g");
  readonly #origin: Lane;
  readonly #title = svg("title");

  constructor() {
    const defs = svg("defs");
    for (const kind of ["in", "out", "origin"]) {
      const marker = svg("marker", {
        id: `arrow-${kind}`, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 10, markerHeight: 10,
        markerUnits: "userSpaceOnUse", orient: "auto", class: kind,
      });
      marker.append(svg("path", { d: "M0 0 8 4 0 8z" }));
      defs.append(marker);
    }
    this.#origin = this.#lane("origin", ORIGIN, MIDDLE, 0, 26, 22);
    const origin = svg("g", { class: "origin" });
    origin.append(svg("rect", { x: ORIGIN.x - 17, y: ORIGIN.y - 15, width: 34, height: 26, rx: 5 }));
    origin.append(this.#label(ORIGIN.x + 26, ORIGIN.y + 3, "origin", "start"));
    for (const y of [-8, 0]) origin.append(svg("line", { x1: ORIGIN.x - 10, x2: ORIGIN.x + 10, y1: ORIGIN.y + y, y2: ORIGIN.y + y }));
    const me = svg("g", { class: "me" });
    me.append(svg("circle", { cx: MIDDLE.x, cy: MIDDLE.y, r: 15 }), this.#label(MIDDLE.x, MIDDLE.y + 4, "you", "middle"));
    this.element.append(this.#title, defs, this.#lanes, this.#dots, origin, me);
  }

  /** Shows the figures of this second. */
  show(stats: Stats): void {
    this.#flow(this.#origin, stats.bytesFromOrigin);
    const gone = new Set(this.#nodes.keys());
    for (const peer of stats.peers) {
      gone.delete(peer.id);
      const node = this.#nodes.get(peer.id) ?? this.#add(peer);
      this.#flow(node.into, peer.bytesIn);
      this.#flow(node.out, peer.bytesOut);
    }
    for (const id of gone) this.#remove(id);
    const count = stats.peersConnected;
    this.#title.textContent = `You, the origin, and ${count} other viewer${count === 1 ? "" : "s"}`;
  }

  #add(peer: PeerStats): Node {
    const taken = new Set([...this.#nodes.values()].map(({ slot }) => slot));
    // Steps of five slots: neighbours in time do not crowd one side.
    let slot = 0;
    for (let i = 0; i < SLOTS; i++) {
      slot = (4 + i * 5) % SLOTS;
      if (!taken.has(slot)) break;
    }
    // From the right, below and up to the left: the top is the origin's.
    const angle = Math.PI * (-0.16 + (1.32 * slot) / (SLOTS - 1));
    const at = { x: MIDDLE.x + RADIUS.x * Math.cos(angle), y: MIDDLE.y + RADIUS.y * Math.sin(angle) };
    const group = svg("g", { class: "peer" });
    const title = svg("title");
    title.textContent = `viewer ${peer.name}`;
    group.append(title, svg("circle", { cx: at.x, cy: at.y, r: 8 }));
    this.#dots.append(group);
    const node = { slot, group, into: this.#lane("in", at, MIDDLE, APART, 12, 20), out: this.#lane("out", MIDDLE, at, APART, 20, 12) };
    this.#nodes.set(peer.id, node);
    return node;
  }

  #remove(id: number): void {
    const node = this.#nodes.get(id);
    node?.group.remove();
    node?.into.line.remove();
    node?.out.line.remove();
    this.#nodes.delete(id);
  }

  /** A line that keeps clear of both ends and runs `aside` of the straight way. */
  #lane(kind: string, from: Point, to: Point, aside: number, clearFrom: number, clearTo: number): Lane {
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length];
    const line = svg("line", {
      class: `lane ${kind}`, "marker-end": `url(#arrow-${kind})`,
      x1: from.x + dx * clearFrom - dy * aside, y1: from.y + dy * clearFrom + dx * aside,
      x2: to.x - dx * clearTo - dy * aside, y2: to.y - dy * clearTo + dx * aside,
    });
    line.style.display = "none";
    this.#lanes.append(line);
    return { line, before: 0 };
  }

  #flow(lane: Lane, bytes: number): void {
    lane.line.style.display = bytes > 0 ? "" : "none";
    lane.line.style.strokeWidth = String(width(bytes));
    lane.line.classList.toggle("moving", bytes > lane.before);
    lane.before = bytes;
  }

  #label(x: number, y: number, text: string, anchor: string): SVGTextElement {
    const label = svg("text", { x, y, "text-anchor": anchor });
    label.textContent = text;
    return label;
  }
}
