/** How many are kept in mind: they go with the positions, which are to fit into a request. */
const MAX = 256;

/** How long the text of them may be. */
const MAX_LENGTH = 16 * 1024;

/** As a part of a position: ids have no dots. */
export function encodeHad(ids: readonly string[]): string {
  return ids.join(".");
}

/** Undefined: it is none. */
export function decodeHad(text: string): string[] | undefined {
  return text.length <= MAX_LENGTH && /^[\w-]+(?:\.[\w-]+)*$/.test(text) ? text.split(".") : undefined;
}

/**
 * Messages to several channels that a client has got as messages of one of them, and not yet met in another one, where it is not as far:
 * their ids. The client keeps them in mind with its positions, as it may go on with another session before it meets them. Beyond 256 the
 * oldest are forgotten.
 */
export class HadElsewhere {
  /** By id, the channels, and since when; the oldest first. */
  readonly #messages = new Map<string, { names: Set<string>; at: number }>();
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  has(name: string, id: string): boolean {
    return this.#messages.get(id)?.names.has(name) ?? false;
  }

  /** The ids of those that are still to be met in a channel. @param until only those from before this time */
  of(name: string, until = Infinity): readonly string[] {
    if (this.isEmpty) return [];
    return [...this.#messages].filter(([, { names, at }]) => names.has(name) && at < until).map(([id]) => id);
  }

  add(id: string, names: readonly string[]): void {
    const message = this.#messages.get(id) ?? { names: new Set(), at: performance.now() };
    this.#messages.set(id, message);
    for (const name of names) {
      if (!message.names.has(name)) this.#size++;
      message.names.add(name);
    }
    while (this.#size > MAX) this.#forgetOldest();
  }

  /** It has come in this channel, or will not any more. */
  met(name: string, id: string): void {
    const names = this.#messages.get(id)?.names;
    if (!names?.delete(name)) return;
    this.#size--;
    if (names.size === 0) this.#messages.delete(id);
  }

  #forgetOldest(): void {
    for (const [id, { names }] of this.#messages) {
      this.#messages.delete(id);
      this.#size -= names.size;
      return;
    }
  }
}
