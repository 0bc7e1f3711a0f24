import { HadElsewhere } from "./had-elsewhere.js";
import type { ClientPosition } from "./session-history.js";
import type { ChannelPosition } from "../types.js";

/** How many are remembered. */
const MAX_SEEN = 1000;
/**
 * For how long one may not be kept yet in all of its channels, in milliseconds: where they are not in one place, it is kept in one after
 * the other, until its deadline, which is seldom longer than this.
 */
const KEPT_MS = 10_000;

/** The messages to several channels that a session has got: each of them may come out of several histories, and live. */
export class SeenMessages {
  /** By id, their channels, and when they came. */
  readonly #seen = new Map<string, { names: readonly string[]; at: number }>();
  readonly #had = new HadElsewhere();

  /** Whether the client is to be told of none with its positions. */
  get areAllMet(): boolean {
    return this.#had.isEmpty;
  }

  /** The client has this one, or will have. @param others channels in which it may meet it, too, and where it is somewhere */
  add(id: string, names: readonly string[], others: readonly string[] = []): void {
    if (!this.#seen.has(id)) this.#seen.set(id, { names, at: performance.now() });
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value!);
    if (others.length > 0) this.#had.add(id, others);
  }

  /** Those that the client says that it has, of a channel in which it is not as far. */
  addGiven(name: string, ids: readonly string[]): void {
    for (const id of ids) this.#had.add(id, [name]);
  }

  /** The client is nowhere in this channel, and begins there with what comes: it may meet the last of those that it has. */
  begin(name: string): void {
    const since = performance.now() - KEPT_MS;
    for (const [id, { names, at }] of this.#seen) if (at > since && names.includes(name)) this.#had.add(id, [name]);
  }

  /** Whether the client has a message that comes in a channel. */
  has(name: string, id: string): boolean {
    return this.#seen.has(id) || this.#had.has(name, id);
  }

  /** Those that must have been kept by now in a channel in which they have not been met, if they are to be kept there. */
  overdue(name: string): readonly string[] {
    return this.#had.of(name, performance.now() - KEPT_MS);
  }

  /** They have come in this channel, or will not any more. */
  met(name: string, ids: readonly string[]): void {
    for (const id of ids) this.#had.met(name, id);
  }

  /** A position as the client is told it. */
  tellable(position: ChannelPosition): ClientPosition {
    const had = this.#had.of(position.name);
    return had.length > 0 ? { ...position, had } : position;
  }
}
