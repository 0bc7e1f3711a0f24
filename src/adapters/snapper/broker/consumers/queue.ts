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
  #isMixed = false;

  /** @param maxLength the most that wait: beyond that the oldest go */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  get length(): number {
    return this.#messages.length;
  }

  /** Whether some have been missed, or waited for such: those of different rooms are to be {@link sort}ed then. */
  get isMixed(): boolean {
    return this.#isMixed;
  }

  /** Those of which it is not known when they were kept. */
  get untimed(): Queued[] {
    return this.#messages.filter(({ body, at }) => body !== undefined && at === undefined);
  }

  push(message: Queued): void {
    this.#messages.push(message);
    this.#isMixed ||= message.at !== undefined;
    // Some of those that are missed may be older than all of these, and are put in their order first.
    if (!this.#isMixed || this.#messages.length >= 16 * this.#maxLength) this.#shorten();
  }

  /** Some will come late. */
  mix(): void {
    this.#isMixed = true;
  }

  /** Puts all in the order in which they were kept; last, those of which that is not known. Those of one room keep theirs. */
  sort(): void {
    if (this.#isMixed) {
      const lastOf = new Map<string, number>();
      for (const message of this.#messages) {
        const [{ name } = { name: "" }] = message.positions;
        const before = lastOf.get(name) ?? 0;
        message.at = Math.max(message.at ?? (message.body === undefined ? before : Infinity), before);
        lastOf.set(name, message.at);
      }
      this.#messages.sort((one, other) => (one.at === other.at ? 0 : one.at! - other.at!));
      for (const message of this.#messages) message.at = undefined;
      this.#isMixed = false;
    }
    this.#shorten();
  }

  /** Takes out the first messages: so many, and of so many characters, at most, but one if there is one. */
  take(count: number, characters: number): Queued[] {
    let [length, taken] = [0, 0];
    while (taken < Math.min(count, this.#messages.length)) {
      length += this.#messages[taken]!.body?.length ?? 0;
      if (taken > 0 && length > characters) break;
      taken++;
    }
    return this.#messages.splice(0, taken);
  }

  #shorten(): void {
    if (this.#messages.length > this.#maxLength) this.#messages.splice(0, this.#messages.length - this.#maxLength);
  }
}
