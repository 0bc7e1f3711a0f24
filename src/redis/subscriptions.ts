import type { Redis } from "ioredis";
import type { Unsubscribe } from "../types.js";
import { disconnect, withPatience } from "./disconnect.js";

/** How often it is asked whether the connection is alive, in milliseconds. */
const HEARTBEAT_MS = 5000;

/** What a subscriber gets. */
export interface SubscriptionListener {
  /** A message, and the pub/sub channel that it came by. */
  message(message: string, channel: string): void;
  /** The connection is lost: what comes from now on may be later than what is missed. */
  lost?(): void;
  /** It is back: messages may have been missed. */
  gap?(): void;
}

/**
 * The subscriptions of one process, on a connection of their own. After a loss of the connection they are made again first,
 * and then each listener is told of the gap; so nothing that is sent after that is missed.
 */
export class Subscriptions {
  readonly #client: Redis;
  #heartbeat: NodeJS.Timeout | undefined;
  readonly #channels = new Map<string, Set<SubscriptionListener>>();
  readonly #patterns = new Map<string, Set<SubscriptionListener>>();

  constructor(client: Redis) {
    this.#client = client;
    client.on("error", () => {});
    client.on("close", () => this.#tell((listener) => listener.lost?.()));
    client.on("message", (channel: string, message: string) => {
      for (const listener of this.#channels.get(channel) ?? []) listener.message(message, channel);
    });
    client.on("pmessage", (pattern: string, channel: string, message: string) => {
      for (const listener of this.#patterns.get(pattern) ?? []) listener.message(message, channel);
    });
  }

  async open(): Promise<void> {
    await this.#client.connect();
    // A subscriber says nothing by itself, so that a dead connection would look like a quiet one: what is asked and not
    // answered ends it (`socketTimeout`), and a new one is made.
    this.#heartbeat = setInterval(() => {
      if (this.#client.status === "ready") this.#client.ping().catch(() => {});
    }, HEARTBEAT_MS);
    this.#client.on("ready", () => {
      // A failure means that the connection is lost again: the next `ready` tries again.
      this.#resubscribe().catch(() => {});
    });
  }

  async close(): Promise<void> {
    this.#channels.clear();
    this.#patterns.clear();
    clearInterval(this.#heartbeat);
    await disconnect(this.#client);
  }

  /** Resolves once every message that was published before has been handed to its listeners, or is lost. */
  async catchUp(): Promise<void> {
    await this.#client.ping();
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
      if (this.#client.status === "ready") await withPatience(last());
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
    this.#tell((listener) => listener.gap?.());
  }

  #tell(tell: (listener: SubscriptionListener) => void): void {
    for (const listeners of [...this.#channels.values(), ...this.#patterns.values()]) {
      for (const listener of listeners) tell(listener);
    }
  }
}
