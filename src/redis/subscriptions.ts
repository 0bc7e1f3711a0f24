import type { Redis } from "ioredis";
import type { Unsubscribe } from "../types.js";

/** What a subscriber gets. */
export interface SubscriptionListener {
  /** A message, and the pub/sub channel that it came by. */
  message(message: string, channel: string): void;
  /** The connection was lost and is back: messages may have been missed. */
  gap?(): void;
}

/**
 * The subscriptions of one process, on a connection of their own. After a loss of the connection they are made again first,
 * and then each listener is told of the gap; so nothing that is sent after that is missed.
 */
export class Subscriptions {
  readonly #client: Redis;
  readonly #channels = new Map<string, Set<SubscriptionListener>>();
  readonly #patterns = new Map<string, Set<SubscriptionListener>>();

  constructor(client: Redis) {
    this.#client = client;
    client.on("error", () => {});
    client.on("message", (channel: string, message: string) => {
      for (const listener of this.#channels.get(channel) ?? []) listener.message(message, channel);
    });
    client.on("pmessage", (pattern: string, channel: string, message: string) => {
      for (const listener of this.#patterns.get(pattern) ?? []) listener.message(message, channel);
    });
  }

  async open(): Promise<void> {
    await this.#client.connect();
    this.#client.on("ready", () => {
      // A failure means that the connection is lost again: the next `ready` tries again.
      this.#resubscribe().catch(() => {});
    });
  }

  async close(): Promise<void> {
    this.#channels.clear();
    this.#patterns.clear();
    if (this.#client.status === "ready") await this.#client.quit().catch(() => {});
    this.#client.disconnect();
  }

  /** Resolves once no message to the channel can be missed. */
  subscribe(channel: string, listener: SubscriptionListener): Promise<Unsubscribe> {
    return this.#add(this.#channels, channel, listener, {
      first: () => this.#client.subscribe(channel),
      last: () => this.#client.unsubscribe(channel),
    });
  }

  /** The same for all channels that match a glob-style pattern. */
  subscribePattern(pattern: string, listener: SubscriptionListener): Promise<Unsubscribe> {
    return this.#add(this.#patterns, pattern, listener, {
      first: () => this.#client.psubscribe(pattern),
      last: () => this.#client.punsubscribe(pattern),
    });
  }

  async #add(
    table: Map<string, Set<SubscriptionListener>>,
    key: string,
    listener: SubscriptionListener,
    { first, last }: { first: () => Promise<unknown>; last: () => Promise<unknown> },
  ): Promise<Unsubscribe> {
    const listeners = table.get(key) ?? new Set();
    table.set(key, listeners.add(listener));
    const remove = async (): Promise<void> => {
      listeners.delete(listener);
      if (listeners.size > 0 || table.get(key) !== listeners) return;
      table.delete(key);
      if (this.#client.status === "ready") await last();
    };
    try {
      // Also for a later listener: the first one's subscription may still be under way.
      await first();
    } catch (error) {
      await remove();
      throw error;
    }
    return remove;
  }

  async #resubscribe(): Promise<void> {
    const [channels, patterns] = [[...this.#channels.keys()], [...this.#patterns.keys()]];
    await Promise.all([
      channels.length > 0 && this.#client.subscribe(...channels),
      patterns.length > 0 && this.#client.psubscribe(...patterns),
    ]);
    for (const listeners of [...this.#channels.values(), ...this.#patterns.values()]) {
      for (const listener of listeners) listener.gap?.();
    }
  }
}
