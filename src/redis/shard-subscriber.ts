import { Redis } from "ioredis";
import { answers } from "./answers.js";
import { disconnect } from "./disconnect.js";
import { type Probe, Prober } from "./prober.js";
import { SOCKET_TIMEOUT_MS } from "./source.js";
import type { Subscription } from "./subscription.js";

/** How often the server is asked whether it has all subscriptions still, in milliseconds. */
const CHECK_MS = 5000;
/** How soon again where subscriptions begin or end meanwhile. */
const CHECK_AGAIN_MS = 500;

interface ShardSubscriberOptions {
  /** The client for commands at the same server. */
  sibling: Redis;
  /** The subscriptions that are to come by this connection, and stand. */
  standing: () => readonly Subscription[];
  publish: (probe: Probe) => Promise<unknown>;
  message: (channel: string, message: string) => void;
  /** The server refuses these now: of each, where its slot is, if it says so. */
  refused: (owners: ReadonlyMap<string, string | undefined>) => void;
  /** Of these the server had ended some that it has again: nobody knows which. */
  regained: (channels: readonly string[]) => void;
  /** Some of these get no messages though the connection lives. */
  dead: (subscriptions: readonly Subscription[]) => void;
  closed: () => void;
}

/** A connection for subscriptions to one server of a cluster. It does not connect again: the slots may be elsewhere by then. */
export class ShardSubscriber {
  readonly #options: ShardSubscriberOptions;
  readonly #client: Redis;
  readonly #prober: Prober;
  readonly #opened: Promise<void>;
  readonly #channels = new Set<string>();
  /** A number that rises when a subscription begins or ends, and when that is done. */
  #changes = 0;
  #checks: NodeJS.Timeout | undefined;
  #isChecking = false;
  #probed = 0;

  constructor(options: ShardSubscriberOptions) {
    this.#options = options;
    const { sibling, standing, publish, dead, message, closed } = options;
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
    client.on("moved", () => void this.#check());
    client.once("end", () => {
      this.#prober.stop();
      clearInterval(this.#checks);
      closed();
    });
    this.#prober = new Prober({
      standing,
      // One at a time: there are many.
      choose: (subscriptions) => [subscriptions[this.#probed++ % subscriptions.length]!],
      publish,
      ask: () => answers(client),
      dead,
    });
    this.#opened = this.#open();
    this.#opened.catch(() => {});
  }

  /** @throws what ioredis does: a ReplyError `MOVED` if the slot is elsewhere */
  async subscribe(channel: string): Promise<void> {
    await this.#opened;
    this.#changes++;
    try {
      await this.#client.ssubscribe(channel);
      this.#channels.add(channel);
    } finally {
      this.#changes++;
    }
  }

  /** Ends a subscription, where the server has it still. */
  async unsubscribe(channel: string): Promise<void> {
    if (!this.#channels.delete(channel) || this.#client.status !== "ready") return;
    this.#changes++;
    try {
      await this.#client.sunsubscribe(channel);
    } finally {
      this.#changes++;
    }
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
    clearInterval(this.#checks);
    return disconnect(this.#client);
  }

  async #open(): Promise<void> {
    await this.#client.connect();
    this.#prober.start();
    this.#checks = setInterval(() => void this.#check(), CHECK_MS).unref();
  }

  /** Asks the server how many subscriptions it has, for it ends those whose slots move, and looks which ones are missing. */
  async #check(): Promise<void> {
    // Many end at the same time where many slots move.
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      await this.#checkNow();
    } finally {
      this.#isChecking = false;
    }
  }

  async #checkNow(): Promise<void> {
    if (this.#client.status !== "ready") return;
    const before = this.#changes;
    // Where it fails, so does the connection.
    const info = await this.#client.client("INFO").catch(() => "");
    const count = /\bssub=(\d+)/.exec(info)?.[1];
    if (count === undefined || Number(count) === this.#channels.size) return;
    // Those that have just begun or ended may be counted or not.
    if (this.#changes === before) await this.#findMissing(this.#channels.size - Number(count));
    else setTimeout(() => void this.#check(), CHECK_AGAIN_MS).unref();
  }

  /** Subscribes to all once more, which changes nothing where a subscription stands. */
  async #findMissing(missing: number): Promise<void> {
    const channels = [...this.#channels];
    const owners = new Map<string, string | undefined>();
    const trySubscribe = async (channel: string): Promise<void> => {
      try {
        await this.#client.ssubscribe(channel);
      } catch (error) {
        owners.set(channel, movedTo(error));
      }
    };
    await Promise.all(channels.map(trySubscribe));
    if (owners.size > 0) this.#options.refused(owners);
    if (owners.size < missing) this.#options.regained(channels.filter((channel) => !owners.has(channel)));
  }
}

/** Where a slot is, as an error says: `MOVED 3999 127.0.0.1:6381`. */
export function movedTo(error: unknown): string | undefined {
  return error instanceof Error ? /^MOVED \d+ (\S+)$/.exec(error.message)?.[1] : undefined;
}
