import { Redis } from "ioredis";
import type { Receiver, ReceiverOptions, Sender } from "./contender.js";
import { numberAtEnd } from "./message.js";

const PUBLISH_TO_ALL = /* lua */ `for i = 1, #KEYS do redis.call('PUBLISH', KEYS[i], ARGV[1]) end`;

/** The pub/sub channel by which a frontend gets its messages. */
function channelOf(sid: string): string {
  return `raw:in:${sid}`;
}

/**
 * The limit of the machine: a script that publishes the message to each frontend. No members, no versions, no leases, no
 * acknowledgements.
 */
export class RawSender implements Sender {
  readonly #redis: Redis;
  readonly #channels: readonly string[];

  constructor(url: string, sids: readonly string[]) {
    this.#redis = new Redis(url, { lazyConnect: true, scripts: { publishToAll: { lua: PUBLISH_TO_ALL } } });
    this.#channels = sids.map(channelOf);
  }

  async start(): Promise<void> {
    await this.#redis.connect();
  }

  async push(_name: string, msg: unknown): Promise<undefined> {
    const redis = this.#redis as unknown as { publishToAll(...args: (string | number)[]): Promise<unknown> };
    await redis.publishToAll(this.#channels.length, ...this.#channels, JSON.stringify(msg));
  }
}

export class RawReceiver implements Receiver {
  readonly #redis: Redis;
  readonly #channel: string;

  constructor({ url, sid, handOver }: ReceiverOptions) {
    this.#redis = new Redis(url, { lazyConnect: true });
    this.#channel = channelOf(sid);
    this.#redis.on("message", (_channel: string, text: string) => handOver(numberAtEnd(text)));
  }

  async start(): Promise<undefined> {
    await this.#redis.connect();
    await this.#redis.subscribe(this.#channel);
  }
}
