import { Redis } from "ioredis";
import { groupBySet } from "../../src/member-sets.js";
import { RedisConnection, RedisTransport } from "globalchannel/redis";
import { type Membership, type Sender, TIMEOUT_MS } from "./contender.js";
import { ROUTE } from "./message.js";

/** Where the original keeps the members of a channel at a frontend: a plain set. */
export function originalKey(name: string, sid: string): string {
  return `POMELO:CHANNEL:${name}:${sid}`;
}

/**
 * What pomelo-globalchannel-plugin 0.0.7 does for each push, on the transport of this library: for each frontend of the type,
 * read all members there, and if there are any, send it the message with their uids; done when all have answered.
 */
export class OriginalSender implements Sender {
  readonly #redis: Redis;
  readonly #transport: RedisTransport;
  readonly #sids: readonly string[];

  constructor(url: string, sids: readonly string[]) {
    this.#redis = new Redis(url, { lazyConnect: true });
    this.#transport = new RedisTransport(new RedisConnection(url));
    this.#sids = sids;
  }

  async start(): Promise<void> {
    await this.#redis.connect();
    await this.#transport.start();
  }

  async fill(memberships: readonly Membership[]): Promise<void> {
    await Promise.all(
      groupBySet(memberships).map(({ name, sid, uids }) => this.#redis.sadd(originalKey(name, sid), ...uids)),
    );
  }

  async change(leaves: readonly Membership[], joins: readonly Membership[]): Promise<void> {
    await Promise.all([
      ...leaves.map(({ name, uid, sid }) => this.#redis.srem(originalKey(name, sid), uid)),
      ...joins.map(({ name, uid, sid }) => this.#redis.sadd(originalKey(name, sid), uid)),
    ]);
  }

  async push(name: string, msg: unknown): Promise<number> {
    // The original encodes it anew for each frontend, which it is spared here.
    const body = JSON.stringify(msg);
    const delivered = await Promise.all(this.#sids.map((sid) => this.#pushTo(sid, name, body)));
    return delivered.reduce((sum, count) => sum + count, 0);
  }

  async #pushTo(sid: string, name: string, body: string): Promise<number> {
    const uids = await this.#redis.smembers(originalKey(name, sid));
    if (uids.length === 0) return 0;
    const request = { type: "push", target: { uids }, route: ROUTE, body } as const;
    const { delivered } = await this.#transport.request(sid, request, { timeoutMs: TIMEOUT_MS });
    return delivered;
  }
}
