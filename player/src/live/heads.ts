/**
 * Brings the signed heads of a live stream from the origin, one question at a time: the origin answers once something is born. Its
 * invariant: a question ends in an answer, however often it has to be asked, or with {@link Heads.close}.
 */

/** What takes the answers. */
export interface Taker {
  /** Takes an answer in; says why not, where a head of it is not to be taken. */
  take(bytes: Uint8Array): string | null;
  /** A question failed, or its answer was refused, and is about to be put again: perhaps this is another stream by now. */
  again(): void;
  /** Nothing that was answered so far could be taken: it is hopeless. */
  hopeless(why: string): void;
}

/** What follows on this head? */
interface Question {
  epoch: number;
  number: number;
}

/** The origin answers after 20 s at the latest, and is given some more. */
const ANSWER_MS = 30_000;
/** No answer is larger: the heads of a minute, with what they announce. */
const ANSWER_BYTES = 4 << 20;
const AGAIN_MS = 250;
const AGAIN_AT_MOST_MS = 8000;
/** So many refused answers, and none that was taken, are no accident. */
const HOPELESS = 3;

/** One stream's heads. */
export class Heads {
  readonly #url: URL;
  readonly #taker: Taker;
  readonly #query: () => string;
  readonly #controller = new AbortController();
  #first: Promise<Uint8Array> | null;
  /** What was asked for last and has not been answered. */
  #next: Question | null = null;
  #hasCome = false;
  #refused = 0;

  /** `base` is the stream's folder, `query` that of the player's requests: a token, perhaps, that the origin wants to see. `first` is
   * an answer to the question for all, which is under way already. */
  constructor(base: URL, taker: Taker, query: () => string = () => "", first: Promise<Uint8Array> | null = null) {
    this.#url = new URL("heads", base);
    this.#taker = taker;
    this.#query = query;
    this.#first = first;
  }

  /** Asks for what follows on this head, once the question that is open has been answered. One answer may lead to many of these, head
   * by head: the last counts. */
  ask(epoch: number, number: number): void {
    const isOpen = this.#next !== null;
    this.#next = { epoch, number };
    if (!isOpen) queueMicrotask(() => void this.#ask());
  }

  /** Whether any answer was taken. */
  get hasCome(): boolean {
    return this.#hasCome;
  }

  close(): void {
    this.#controller.abort();
  }

  /** Puts to the origin what was asked for, until nothing is left. */
  async #ask(): Promise<void> {
    const { signal } = this.#controller;
    let failures = 0;
    while (this.#next && !signal.aborted) {
      if (failures > 0) {
        await pause(Math.min(AGAIN_AT_MOST_MS, AGAIN_MS * 2 ** failures), signal);
        if (!signal.aborted) this.#taker.again();
      }
      const asked = this.#next;
      failures += 1;
      try {
        const first = this.#first;
        this.#first = null;
        const bytes = await (first ?? fetchHeads(this.#url, this.#query(), asked, failures > 1, signal));
        if (signal.aborted) return;
        if (bytes.length > ANSWER_BYTES) throw new Error("more heads than there can be");
        // Where nothing is new the core asks again.
        const why = bytes.length > 0 ? this.#taker.take(bytes) : null;
        if (why === null) {
          this.#hasCome ||= bytes.length > 0;
          if (this.#next === asked) this.#next = null;
          failures = 0;
          continue;
        }
        console.warn(`braidcast: a head was refused: ${why}`);
        this.#refused += 1;
        if (!this.#hasCome && this.#refused >= HOPELESS) return this.#taker.hopeless(why);
      } catch {
        // Asked again.
      }
    }
  }
}

/** One question. Fails without a good answer. */
export async function fetchHeads(
  url: URL,
  query: string,
  { epoch, number }: Question,
  fresh: boolean,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const asked = new URL(url);
  asked.search = query;
  asked.searchParams.set("epoch", String(epoch));
  asked.searchParams.set("after", String(number));
  const late = AbortSignal.timeout(ANSWER_MS);
  const cache = fresh ? "reload" : "default";
  const response = await fetch(asked, { signal: AbortSignal.any([signal, late]), cache });
  if (!response.ok) throw new Error(`the origin answered ${response.status} for heads`);
  if (response.status === 204 || !response.body) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > ANSWER_BYTES) {
      await reader.cancel();
      throw new Error("more heads than there can be");
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Half of it at least: many who failed together do not come back together. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms * (0.5 + Math.random() / 2));
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
