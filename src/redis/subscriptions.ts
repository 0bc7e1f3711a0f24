import type { Redis } from "ioredis";
import { reportError } from "../diagnostics.js";
import { GlobalChannelError } from "../errors.js";
import type { Unsubscribe } from "../types.js";
import { disconnect, withPatience } from "./disconnect.js";
import { type Probe, Prober } from "./prober.js";
import { Subscription, type SubscriptionListener } from "./subscription.js";

/** How long it is waited before what Redis has refused is asked for again, on a new connection, in milliseconds. */
const REFUSED_MS = 1000;

/**
 * The subscriptions of one process, on a connection of their own. After a loss of the connection they are made again first,
 * and then each listener is told of the gap; so nothing that is sent after that is missed. A connection on which one of them
 * has died is thrown away, and `globalchannel:error` told of it.
 */
export class Subscriptions {
  readonly #client: Redis;
  readonly #channels = new Map<string, Subscription>();
  readonly #patterns = new Map<string, Subscription>();
  /** Whoever sends commands from time to time lets it have them carry its probes. */
  readonly prober: Prober;

  /** @param publish sends a probe, on another connection */
  constructor(client: Redis, publish: (probe: Probe) => Promise<unknown>) {
    this.#client = client;
    this.prober = new Prober({
      standing: () => this.#all().filter(({ stands }) => stands),
      publish,
      // A connection that does not answer ends by its `socketTimeout`.
      ask: async () =>
        client.status === "ready" &&
        client.ping().then(
          () => true,
          () => false,
        ),
      dead: (dead) => this.#bury(dead),
    });
    client.on("error", () => {});
    client.on("close", () => {
      for (const subscription of this.#all()) subscription.lose();
    });
    client.on("message", (channel: string, message: string) => this.#channels.get(channel)?.receive(message, channel));
    client.on("pmessage", (pattern: string, channel: string, message: string) =>
      this.#patterns.get(pattern)?.receive(message, channel),
    );
  }

  async open(): Promise<void> {
    await this.#client.connect();
    this.#client.on("ready", () => {
      this.#resubscribe().catch((error: unknown) => {
        // Mostly the connection is lost again, and the next `ready` tries again. Where Redis has refused, too.
        if (this.#client.status !== "ready") return;
        reportError(this, error);
        const { stream } = this.#client;
        setTimeout(() => stream.destroy(), REFUSED_MS).unref();
      });
    });
    this.prober.start();
  }

  async close(): Promise<void> {
    this.prober.stop();
    this.#channels.clear();
    this.#patterns.clear();
    await disconnect(this.#client);
  }

  /** Resolves once every message that was published before has been handed to its listeners, or is lost. */
  async catchUp(): Promise<void> {
    await this.#client.ping();
  }

  /** Resolves once no message to the channel can be missed. */
  subscribe(channel: string, listener: SubscriptionListener): Promise<Unsubscribe> {
    return this.#add(this.#channels, channel, channel, listener, {
      first: () => this.#client.subscribe(channel),
      last: () => this.#client.unsubscribe(channel),
    });
  }

  /**
   * The same for all channels that match a glob-style pattern.
   * @param probedAt one that does, for probes
   */
  subscribePattern(pattern: string, probedAt: string, listener: SubscriptionListener): Promise<Unsubscribe> {
    return this.#add(this.#patterns, pattern, probedAt, listener, {
      first: () => this.#client.psubscribe(pattern),
      last: () => this.#client.punsubscribe(pattern),
    });
  }

  async #add(
    table: Map<string, Subscription>,
    key: string,
    probedAt: string,
    listener: SubscriptionListener,
    { first, last }: { first: () => Promise<unknown>; last: () => Promise<unknown> },
  ): Promise<Unsubscribe> {
    const subscription = table.get(key) ?? new Subscription(probedAt);
    const { listeners } = subscription;
    table.set(key, subscription);
    listeners.add(listener);
    const remove = async (): Promise<void> => {
      listeners.delete(listener);
      if (listeners.size > 0 || table.get(key) !== subscription) return;
      table.delete(key);
      if (this.#client.status === "ready") await withPatience(last());
    };
    try {
      // Also for a later listener: the first one's subscription may still be under way.
      await first();
      subscription.confirm();
    } catch (error) {
      await remove();
      throw error;
    }
    return remove;
  }

  async #resubscribe(): Promise<void> {
    const [channels, patterns] = [[...this.#channels.keys()], [...this.#patterns.keys()]];
    const subscriptions = this.#all();
    await Promise.all([
      channels.length > 0 && this.#client.subscribe(...channels),
      patterns.length > 0 && this.#client.psubscribe(...patterns),
    ]);
    for (const subscription of subscriptions) {
      subscription.confirm();
      for (const listener of subscription.listeners) listener.gap?.();
    }
  }

  /** Makes all anew, for what has killed one may have done more than that. */
  #bury(dead: readonly Subscription[]): void {
    const names = dead.map(({ probedAt }) => probedAt).join(", ");
    reportError(
      this,
      new GlobalChannelError(
        "GC_STORE_UNAVAILABLE",
        `Redis answers but sends no messages of ${names}: the subscriptions are made again, on a new connection`,
      ),
    );
    // An orderly end would wait for the other side.
    this.#client.stream.destroy();
  }

  #all(): Subscription[] {
    return [...this.#channels.values(), ...this.#patterns.values()];
  }
}
