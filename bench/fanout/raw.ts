import { Redis } from "ioredis";
import { MARKER, RAW_REPLIES, rawChannel } from "../support/raw-subscriber.js";
import type { Contender } from "./contender.js";

const PUBLISH_TO_ALL = /* lua */ `for i = 1, #KEYS do redis.call('PUBLISH', KEYS[i], ARGV[1]) end`;

/**
 * The limit of the machine: a script that publishes the message to each frontend, which drops it. No members, no versions, no
 * leases, no report; only the last message is acknowledged.
 */
export class RawContender implements Contender {
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #channels: readonly string[];
  #onReply: () => void = () => {};

  constructor(url: string, sids: readonly string[]) {
    this.#redis = new Redis(url, { lazyConnect: true });
    this.#subscriber = this.#redis.duplicate();
    this.#channels = sids.map(rawChannel);
  }

  async start(): Promise<void> {
    await Promise.all([this.#redis.connect(), this.#subscriber.connect()]);
    this.#redis.defineCommand("publishToAll", { lua: PUBLISH_TO_ALL });
    this.#subscriber.on("message", () => this.#onReply());
    await this.#subscriber.subscribe(RAW_REPLIES);
  }

  async fill(): Promise<void> {}

  async push(_name: string, msg: unknown): Promise<number> {
    await this.#publish(JSON.stringify(msg));
    return 0;
  }

  async settled(): Promise<void> {
    let missing = this.#channels.length;
    const arrived = new Promise<void>((resolve) => {
      this.#onReply = () => {
        if (--missing === 0) resolve();
      };
    });
    await this.#publish(MARKER);
    await arrived;
  }

  #publish(text: string): Promise<unknown> {
    const redis = this.#redis as unknown as { publishToAll(...args: (string | number)[]): Promise<unknown> };
    return redis.publishToAll(this.#channels.length, ...this.#channels, text);
  }
}
