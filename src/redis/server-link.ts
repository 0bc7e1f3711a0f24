import type { Redis, RedisOptions } from "ioredis";
import { corkForTick } from "./cork.js";
import { disconnect } from "./disconnect.js";
import { type Link, ready } from "./link.js";
import type { Probe } from "./prober.js";
import { ServerSubscriptions } from "./server-subscriptions.js";
import { SilenceWatch } from "./silence-watch.js";
import {
  createServerClient,
  hasTimeLimit,
  isClient,
  type RedisClient,
  retryStrategy,
  SOCKET_TIMEOUT_MS,
} from "./source.js";

/** One Redis, or the primary that Sentinel names: a connection for commands and one for subscriptions. */
export class ServerLink implements Link {
  readonly client: Redis;
  readonly subscriptions: ServerSubscriptions;
  readonly #source: string | RedisOptions | RedisClient;
  /** An injected client is its owner's to break, and who gives a time limit of its own has it. */
  #silence: SilenceWatch | undefined;
  /** Where Sentinel names another primary. The old one may stand still, or not know of it yet: nothing would come from there. */
  readonly #followPrimary = (): void => this.subscriptions.follow(this.client.stream);

  /** @param publish sends a probe of the subscriptions */
  constructor(source: string | RedisOptions | RedisClient, publish: (probe: Probe) => Promise<unknown>) {
    this.#source = source;
    this.client = isClient(source) ? (source as Redis) : createServerClient(source);
    const subscriber = this.client.duplicate({
      autoResubscribe: false,
      enableOfflineQueue: true,
      lazyConnect: true,
      maxRetriesPerRequest: null,
      retryStrategy,
      socketTimeout: this.client.options.socketTimeout ?? SOCKET_TIMEOUT_MS,
    });
    this.subscriptions = new ServerSubscriptions(subscriber, publish);
  }

  async open(): Promise<void> {
    await ready(this.client);
    if (this.client !== this.#source && !hasTimeLimit(this.#source)) this.#silence = new SilenceWatch(this.client);
    if (this.client.options.sentinels) this.client.on("ready", this.#followPrimary);
    await this.subscriptions.open();
  }

  async close(): Promise<void> {
    this.#silence?.stop();
    this.client.off("ready", this.#followPrimary);
    await this.subscriptions.close();
    if (this.client !== this.#source) await disconnect(this.client);
  }

  cork(): void {
    corkForTick(this.client.stream);
  }

  servers(): readonly Redis[] {
    return [this.client];
  }
}
