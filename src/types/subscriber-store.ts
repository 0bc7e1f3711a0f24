import type { Awaitable } from "./awaitable.js";
import type { ChannelPosition } from "./channel-history.js";

/** What is kept of a subscriber. */
export interface Subscriber {
  /** Its channels, and where it is in the history of each. */
  positions: readonly ChannelPosition[];
  /** What its owner has noted; undefined: nothing yet. */
  note: string | undefined;
}

/**
 * Keeps where clients are in their channels that cannot keep it themselves: they may be away for a while, and come back to any server.
 * Each has an id of 1 to 1,024 bytes. `start`, `stop` and errors: see `ChannelManager`. What a call has done is seen by every call, in
 * every process, that is made after it has resolved.
 */
export interface SubscriberStore {
  start?(): Awaitable<void>;
  stop?(force?: boolean): Awaitable<void>;
  /** What is kept of it; undefined: nothing, or not any more. 1 round trip. */
  read(id: string): Awaitable<Subscriber | undefined>;
  /**
   * Adds a channel, unless it is one of its channels, and keeps the subscriber for `ttlMs` from now at least. Resolves whether it was
   * added. 1 round trip.
   */
  subscribe(id: string, position: ChannelPosition, ttlMs: number): Awaitable<boolean>;
  /** Takes a channel out. Resolves whether it was there. 1 round trip. */
  unsubscribe(id: string, name: string): Awaitable<boolean>;
  /**
   * Notes where it is in some of its channels, and what else its owner knows, in one step; it is kept for `ttlMs` from now. Of channels that
   * have been taken out meanwhile nothing is noted, nor where it is further in the same epoch: an owner that has stood still does not bring it
   * back. Resolves whether something was noted already: if not, the store has lost what was noted before, even where channels were added
   * since. 1 round trip.
   */
  save(id: string, positions: readonly ChannelPosition[], note: string, ttlMs: number): Awaitable<boolean>;
  /** Keeps it for `ttlMs` from now, be that longer or not. Resolves whether something is noted, as {@link save}. 1 round trip. */
  expire(id: string, ttlMs: number): Awaitable<boolean>;
}
