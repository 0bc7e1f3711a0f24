import { Redis } from "ioredis";
import { groupBySet } from "../../src/member-sets.js";
import type { Membership, Receiver, ReceiverOptions, Sender } from "./contender.js";
import { numberAtEnd } from "./message.js";

const PUBLISH_TO_ALL = /* lua */ `for i = 1, #KEYS do redis.call('PUBLISH', KEYS[i], ARGV[1]) end`;

const PREFIX = "raw";

/** The pub/sub channel by which a frontend gets its messages. */
function channelOf(sid: string, prefix: string): string {
  return `${prefix}:in:${sid}`;
}

/** The one that all frontends listen to. */
const COMMON_CHANNEL = "raw:in";

function keyOf(name: string, sid: string): string {
  return `raw:members:${name}:${sid}`;
}

/**
 * The limit of the machine: a script that publishes the message to each frontend. No versions, no leases, no acknowledgements,
 * and members in plain sets that no push reads.
 */
export class RawSender implements Sender {
  readonly #redis: Redis;
  readonly #channels: readonly string[];

  /** @param prefix of its channels in Redis */
  constructor(url: string, sids: readonly string[], prefix: string = PREFIX) {
    this.#redis = new Redis(url, { lazyConnect: true, scripts: { publishToAll: { lua: PUBLISH_TO_ALL } } });
    this.#channels = sids.map((sid) => channelOf(sid, prefix));
  }

  async start(): Promise<void> {
    await this.#redis.connect();
  }

  async fill(memberships: readonly Membership[]): Promise<void> {
    await Promise.all(
      groupBySet(memberships).map(({ name, sid, uids }) => this.#redis.sadd(keyOf(name, sid), ...uids)),
    );
  }

  async change(leaves: readonly Membership[], joins: readonly Membership[]): Promise<void> {
    const pipeline = this.#redis.pipeline();
    for (const { name, uid, sid } of leaves) pipeline.srem(keyOf(name, sid), uid);
    for (const { name, uid, sid } of joins) pipeline.sadd(keyOf(name, sid), uid);
    // Not waited for: the push follows on the same connection.
    void pipeline.exec();
  }

  async push(_name: string, msg: unknown): Promise<undefined> {
    const redis = this.#redis as unknown as { publishToAll(...args: (string | number)[]): Promise<unknown> };
    await redis.publishToAll(this.#channels.length, ...this.#channels, JSON.stringify(msg));
  }
}

/** The limit of Redis pub/sub: one PUBLISH that all frontends get, members or not. */
export class RawPublishSender implements Sender {
  readonly #redis: Redis;

  constructor(url: string) {
    this.#redis = new Redis(url, { lazyConnect: true });
  }

  async start(): Promise<void> {
    await this.#redis.connect();
  }

  async push(_name: string, msg: unknown): Promise<undefined> {
    await this.#redis.publish(COMMON_CHANNEL, JSON.stringify(msg));
  }
}

/** Where messages come to a frontend. */
export class RawInbox {
  readonly #redis: Redis;
  readonly #channel: string;

  constructor({ url, sid }: Pick<ReceiverOptions, "url" | "sid">, take: (text: string) => void, prefix = PREFIX) {
    this.#redis = new Redis(url, { lazyConnect: true });
    this.#channel = channelOf(sid, prefix);
    this.#redis.on("message", (_channel: string, text: string) => take(text));
  }

  async start(): Promise<void> {
    await this.#redis.connect();
    await this.#redis.subscribe(this.#channel, COMMON_CHANNEL);
  }
}

export class RawReceiver implements Receiver {
  readonly #inbox: RawInbox;

  constructor({ handOver, ...options }: ReceiverOptions) {
    this.#inbox = new RawInbox(options, (text) => handOver(numberAtEnd(text)));
  }

  async start(): Promise<undefined> {
    await this.#inbox.start();
  }
}
