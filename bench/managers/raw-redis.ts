import { Redis } from "ioredis";
import { groupBySet } from "../../src/member-sets.js";
import type { Membership } from "../../src/types.js";
import type { Contender } from "./contender.js";
import { SIDS } from "./sids.js";

/** What Redis can do on this machine: one command for each call, on plain sets. No versions, nobody is told. */
export class RawRedis implements Contender {
  readonly #redis: Redis;

  constructor(url: string) {
    this.#redis = new Redis(url, { lazyConnect: true });
  }

  start(): Promise<void> {
    return this.#redis.connect();
  }

  async add(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#redis.sadd(keyOf(name, sid), uid)) === 1;
  }

  async leave(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#redis.srem(keyOf(name, sid), uid)) === 1;
  }

  /** One command for each set. */
  async addMany(memberships: readonly Membership[]): Promise<number> {
    const sets = groupBySet(memberships);
    const added = await Promise.all(sets.map(({ name, sid, uids }) => this.#redis.sadd(keyOf(name, sid), ...uids)));
    return added.reduce((total, count) => total + count, 0);
  }

  getMembersBySid(name: string, sid: string): Promise<string[]> {
    return this.#redis.smembers(keyOf(name, sid));
  }

  async destroyChannel(name: string): Promise<number> {
    const keys = SIDS.map((sid) => keyOf(name, sid));
    const counts = await Promise.all(keys.map((key) => this.#redis.scard(key)));
    await this.#redis.del(...keys);
    return counts.reduce((total, count) => total + count, 0);
  }
}

function keyOf(name: string, sid: string): string {
  return `raw:${name}:${sid}`;
}
