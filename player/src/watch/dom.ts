/** Small helpers for pages. Text goes in as text, never as markup. */

type Child = Node | string | null;

/** An HTML element with attributes and children. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** An SVG element with attributes. */
export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string | number> = {},
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** An element that the page has for certain. */
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** A film as the origin lists it. */
export interface Card {
  slug: string;
  title: string;
  duration_s: number;
  poster: string | null;
  hls: string;
  renditions: { kind: string; height?: number; bandwidth: number }[];
  bytes: number;
  /** A live stream. */
  live?: boolean;
}

/** JSON from the origin. */
export async function json<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(response.status === 404 ? "not found" : `the server answered ${response.status}`);
  return (await response.json()) as T;
}

/** 3 significant digits and a decimal unit. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 999.5 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${bytes >= 99.5 || unit === 0 ? Math.round(bytes) : Number(bytes.toPrecision(3))} ${units[unit]}`;
}

/** Bits a second in the unit people know from their contract. */
export const rateText = (bps: number): string =>
  bps >= 1e6 ? `${Number((bps / 1e6).toPrecision(2))} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;

/** `1:02:03`. */
export function clockText(seconds: number): string {
  const s = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}
