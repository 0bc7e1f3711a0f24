import { Redis } from "ioredis";
import { disconnect } from "./disconnect.js";
import { type Probe, Prober } from "./prober.js";
import { SOCKET_TIMEOUT_MS } from "./source.js";
import type { Subscription } from "./subscription.js";

/** How long the server that a slot has moved to may take to be known, in milliseconds. */
const MOVE_MS = 2000;

interface ShardSubscriberOptions {
  /** The client for commands at the same server. */
  sibling: Redis;
  /** The subscriptions that are to come by this connection, and stand. */
  standing: () => readonly Subscription[];
  publish: (probe: Probe) => Promise<unknown>;
  message: (channel: string, message: string) => void;
  /** The server has ended a subscription, as its slot has moved; nobody says which one. */
  moved: () => void;
  /** These get no messages though the connection lives. */
  dead: (subscriptions: readonly Subscription[]) => void;
  closed: () => void;
}

/** A connection for subscriptions to one server of a cluster. It does not connect again: the slots may be elsewhere by then. */
export class ShardSubscriber {
  readonly #options: ShardSubscriberOptions;
  readonly #client: Redis;
  readonly #prober: Prober;
  readonly #opened: Promise<void>;
  /** How many subscriptions the server has ended and it is not known yet which. */
  #unexplained = 0;
  #patience: NodeJS.Timeout | undefined;
  #probed = 0;

  constructor(options: ShardSubscriberOptions) {
    this.#options = options;
    const { sibling, standing, publish, moved, dead, message, closed } = options;
    // Of this package's own ioredis: an injected one may be of a version that mixes replies up where the server ends subscriptions.
    const client = new Redis({
      ...sibling.options,
      protocol: 3,
      replyMapping: "legacy",
      autoResubscribe: false,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      lazyConnect: true,
      readOnly: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      socketTimeout: SOCKET_TIMEOUT_MS,
    });
    this.#client = client;
    client.on("error", () => {});
    client.on("smessage", message);
    client.on("moved", () => {
      this.#unexplained++;
      this.#patience ??= setTimeout(() => this.#giveUp(), MOVE_MS).unref();
      moved();
    });
    client.once("end", () => {
      this.#prober.stop();
      clearTimeout(this.#patience);
      closed();
    });
    this.#prober = new Prober({
      standing,
      // One at a time: there are many.
      choose: (subscriptions) => [subscriptions[this.#probed++ % subscriptions.length]!],
      publish,
      ask: () => this.#isAlive(),
      dead,
    });
    this.#opened = client.connect().then(() => this.#prober.start());
    this.#opened.catch(() => {});
  }

  /** @throws what ioredis does: a ReplyError `MOVED` if the slot is elsewhere */
  async subscribe(channel: string): Promise<void> {
    await this.#opened;
    try {
      await this.#client.ssubscribe(channel);
    } catch (error) {
      // ioredis tells of it by `moved`, too.
      if (isMoved(error)) this.explain();
      throw error;
    }
  }

  /** Ends a subscription, where the server has it still. */
  unsubscribe(channel: string): Promise<unknown> {
    return this.#client.status === "ready" ? this.#client.sunsubscribe(channel) : Promise.resolve();
  }

  /** It is known of one more subscription that its slot has moved. */
  explain(): void {
    if (this.#unexplained === 0 || --this.#unexplained > 0) return;
    clearTimeout(this.#patience);
    this.#patience = undefined;
  }

  /** Resolves once every message that was published before has been handed over, or is lost. */
  async catchUp(): Promise<void> {
    await this.#opened;
    await this.#client.ping();
  }

  /** Breaks the connection. */
  destroy(): void {
    this.#client.disconnect();
  }

  close(): Promise<void> {
    this.#prober.stop();
    return disconnect(this.#client);
  }

  async #isAlive(): Promise<boolean> {
    return (
      this.#client.status === "ready" &&
      this.#client.ping().then(
        () => true,
        () => false,
      )
    );
  }

  /** Which subscriptions the server has ended does not come out: all are made anew. */
  #giveUp(): void {
    this.#options.dead(this.#options.standing());
  }
}

function isMoved(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("MOVED ");
}
