import type { ChannelPosition } from "../../../../types.js";

/** What a consumer is to get, or only where it is then. */
export interface Queued {
  /** The message as JSON; undefined: only the positions are new. */
  body: string | undefined;
  positions: readonly ChannelPosition[];
  /** When it was kept, of one that was missed. */
  at?: number | undefined;
}

/** The messages that wait for a consumer, in their order. */
export class Queue {
  readonly #maxLength: number;
  #messages: Queued[] = [];
  #hasMissed = false;

  /** @param maxLength the most that wait: beyond that the oldest go */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  get length(): number {
    return this.#messages.length;
  }

  push(message: Queued): void {
    this.#messages.push(message);
    this.#hasMissed ||= message.at !== undefined;
    // Some of those that are missed may be older than all of these, and are put in their order first.
    if (!this.#hasMissed || this.#messages.length >= 16 * this.#maxLength) this.#shorten();
  }

  /** Puts what was missed before the rest, in the order in which it was kept. */
  sort(): void {
    if (this.#hasMissed) {
      this.#messages.sort((one, other) => (one.at ?? Infinity) - (other.at ?? Infinity) || 0);
      for (const message of this.#messages) message.at = undefined;
      this.#hasMissed = false;
    }
    this.#shorten();
  }

  /** Takes out the first messages. */
  take(count: number): Queued[] {
    return this.#messages.splice(0, count);
  }

  #shorten(): void {
    if (this.#messages.length > this.#maxLength) this.#messages.splice(0, this.#messages.length - this.#maxLength);
  }
}
