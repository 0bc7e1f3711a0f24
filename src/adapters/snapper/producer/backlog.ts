import { Bound } from "../../../bound.js";

export interface BacklogOptions {
  /** Who has it, for the diagnostics channel. */
  source: object;
  maxQueuedMessages: number;
  maxQueuedBytes: number;
  /** There was something, and all of it is settled. */
  drained: () => void;
}

/** Counts what a producer was given and the broker has not confirmed, and says when that is too much. */
export class Backlog {
  readonly #count: Bound;
  readonly #bytes: Bound;
  readonly #drained: () => void;
  #size = 0;
  #waiting: (() => void)[] = [];

  constructor({ source, maxQueuedMessages, maxQueuedBytes, drained }: BacklogOptions) {
    const whose = { source, queue: "messages" } as const;
    const what = "messages and requests that the broker has not confirmed";
    this.#count = new Bound({ ...whose, limit: maxQueuedMessages, what: `${what} (maxQueuedMessages)` });
    this.#bytes = new Bound({ ...whose, limit: maxQueuedBytes, what: `bytes of ${what} (maxQueuedBytes)` });
    this.#drained = drained;
  }

  /** How many messages and requests there are. */
  get size(): number {
    return this.#size;
  }

  /** @throws `GC_OVERLOADED` it does not count */
  add(bytes: number): void {
    this.#count.check();
    this.#bytes.check(bytes);
    this.#count.add();
    this.#bytes.add(bytes);
    this.#size++;
  }

  remove(bytes: number): void {
    this.#count.remove();
    this.#bytes.remove(bytes);
    this.#size--;
    if (this.#size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.#drained();
  }

  /** Resolves when there is nothing. */
  async empty(): Promise<void> {
    if (this.#size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
