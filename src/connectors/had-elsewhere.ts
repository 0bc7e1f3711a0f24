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
  /** By id, the channels; the oldest first. */
  readonly #channels = new Map<string, Set<string>>();
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  has(name: string, id: string): boolean {
    return this.#channels.get(id)?.has(name) ?? false;
  }

  /** The ids of those that are still to be met in a channel. */
  of(name: string): readonly string[] {
    if (this.isEmpty) return [];
    return [...this.#channels].filter(([, names]) => names.has(name)).map(([id]) => id);
  }

  add(id: string, names: readonly string[]): void {
    const own = this.#channels.get(id) ?? new Set();
    this.#size += names.filter((name) => !own.has(name)).length;
    this.#channels.set(id, new Set([...own, ...names]));
    while (this.#size > MAX) this.#forgetOldest();
  }

  /** It has come in this channel, or will not any more. */
  met(name: string, id: string): void {
    const names = this.#channels.get(id);
    if (!names?.delete(name)) return;
    this.#size--;
    if (names.size === 0) this.#channels.delete(id);
  }

  #forgetOldest(): void {
    for (const [id, names] of this.#channels) {
      this.#channels.delete(id);
      this.#size -= names.size;
      return;
    }
  }
}
