import { Redis } from "ioredis";
import { chunks } from "../../src/batches.js";
import { RedisConnection, RedisTransport } from "../../src/redis/index.js";
import { ROUTE } from "../support/pushes.js";
import { type Contender, FILL_BATCH, TIMEOUT_MS } from "./contender.js";

/** Where the original keeps the members of a channel at a frontend: a plain set. */
export function originalKey(name: string, sid: string): string {
  return `POMELO:CHANNEL:${name}:${sid}`;
}

/**
 * What pomelo-globalchannel-plugin 0.0.7 does for each push, on the transport of this library: for each frontend of the type,
 * read all members there, and if there are any, send it the message with their uids; done when all have answered.
 */
export class OriginalContender implements Contender {
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

  async fill(name: string, members: readonly { uid: string; sid: string }[]): Promise<void> {
    for (const sid of this.#sids) {
      const uids = members.filter((member) => member.sid === sid).map(({ uid }) => uid);
      for (const batch of chunks(uids, FILL_BATCH)) await this.#redis.sadd(originalKey(name, sid), ...batch);
    }
  }

  async push(name: string, msg: unknown): Promise<number> {
    // The original encodes it anew for each frontend.
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
