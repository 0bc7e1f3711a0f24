import type { Redis } from "ioredis";
import { reportError } from "../diagnostics.js";
import type { Unsubscribe } from "../types.js";
import { answers } from "./answers.js";
import { disconnect, withPatience } from "./disconnect.js";
import type { Keys } from "./keys.js";
import { type Probe, Prober } from "./prober.js";
import {
  allOrNone,
  deadSubscriptions,
  Subscription,
  type SubscriptionListener,
  tellListeners,
} from "./subscription.js";
import type { Subscriptions } from "./subscriptions.js";

/** How long it is waited before what Redis has refused is asked for again, on a new connection, in milliseconds. */
const REFUSED_MS = 1000;

/** All on one connection of their own. See {@link Subscriptions}. */
export class ServerSubscriptions implements Subscriptions {
  readonly #client: Redis;
  readonly #channels = new Map<string, Subscription>();
  readonly #patterns = new Map<string, Subscription>();
  readonly #prober: Prober;

  /** @param publish sends a probe, on another connection */
  constructor(client: Redis, publish: (probe: Probe) => Promise<unknown>) {
    this.#client = client;
    this.#prober = new Prober({
      standing: () => this.#all().filter(({ stands }) => stands),
      publish,
      ask: () => answers(client),
      dead: (dead) => this.#bury(dead),
    });
    client.on("error", () => {});
    client.on("close", () => {
      const lost = this.#all().filter(({ stands }) => stands);
      for (const subscription of lost) subscription.lose();
      tellListeners("lost", lost);
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
    this.#prober.start();
  }

  async close(): Promise<void> {
    this.#prober.stop();
    this.#channels.clear();
    this.#patterns.clear();
    await disconnect(this.#client);
  }

  /** Makes all anew where they are at another server than this connection. */
  follow(stream: NetStream): void {
    const own = this.#client.stream;
    // Of a connection that is lost again nothing is known.
    if (this.#client.status !== "ready" || stream.destroyed) return;
    if (addressOf(own) !== addressOf(stream)) own.destroy();
  }

  async catchUp(): Promise<void> {
    await this.#client.ping();
  }

  carryProbe<T>(send: (probe: Probe) => Promise<T>): Promise<T> {
    return this.#prober.carry(send);
  }

  async subscribe(channels: readonly string[], listener: SubscriptionListener): Promise<Unsubscribe> {
    const all = channels.map((channel) =>
      this.#add(this.#channels, channel, channel, listener, {
        first: () => this.#client.subscribe(channel),
        last: () => this.#client.unsubscribe(channel),
      }),
    );
    return allOrNone(all);
  }

  async subscribeToChanges(partitions: readonly Keys[], listener: SubscriptionListener): Promise<Unsubscribe> {
    const all = partitions.map(({ allChanges, noChanges, changesPrefix }) =>
      this.#add(
        this.#patterns,
        allChanges,
        noChanges,
        { ...listener, message: (message, channel) => listener.message(message, channel.slice(changesPrefix.length)) },
        {
          first: () => this.#client.psubscribe(allChanges),
          last: () => this.#client.punsubscribe(allChanges),
        },
      ),
    );
    return allOrNone(all);
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
    for (const subscription of subscriptions) subscription.confirm();
    tellListeners("gap", subscriptions);
  }

  /** Makes all anew, for what has killed one may have done more than that. */
  #bury(dead: readonly Subscription[]): void {
    reportError(this, deadSubscriptions(dead));
    // An orderly end would wait for the other side.
    this.#client.stream.destroy();
  }

  #all(): Subscription[] {
    return [...this.#channels.values(), ...this.#patterns.values()];
  }
}

/** A connection to a server, as ioredis has it. */
type NetStream = Redis["stream"];

function addressOf(stream: NetStream): string {
  const { remoteAddress, remotePort } = stream;
  return `${remoteAddress}:${remotePort}`;
}
