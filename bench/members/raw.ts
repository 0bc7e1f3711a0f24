import { Redis } from "ioredis";
import { groupBySet } from "../../src/member-sets.js";
import type { Membership } from "../../src/types.js";
import type { Contender } from "./contender.js";

type Words = readonly [command: string, ...args: string[]];

interface Waiting {
  words: Words;
  settle: (error: Error | null, reply: unknown) => void;
}

/**
 * What Redis can do on this machine: plain sets, one pipeline for all the commands that are asked for in one tick, which are
 * as many as are outstanding. No versions, no user's channels, nobody is told.
 */
export class RawMembers implements Contender {
  readonly #redis: Redis;
  readonly #sids: readonly string[];
  #waiting: Waiting[] = [];

  constructor(url: string, sids: readonly string[]) {
    this.#redis = new Redis(url, { lazyConnect: true });
    this.#sids = sids;
  }

  start(): Promise<void> {
    return this.#redis.connect();
  }

  async add(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#command<number>("sadd", keyOf(name, sid), uid)) === 1;
  }

  async leave(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#command<number>("srem", keyOf(name, sid), uid)) === 1;
  }

  /** One command for each set. */
  addMany(memberships: readonly Membership[]): Promise<number> {
    return this.#sum(groupBySet(memberships).map(({ name, sid, uids }) => ["sadd", keyOf(name, sid), ...uids]));
  }

  leaveAll(_uid: string, _sid: string, memberships: readonly Membership[]): Promise<number> {
    return this.#sum(memberships.map(({ name, uid, sid }) => ["srem", keyOf(name, sid), uid]));
  }

  async destroyChannel(name: string): Promise<void> {
    await this.#command("del", ...this.#sids.map((sid) => keyOf(name, sid)));
  }

  count(name: string): Promise<number> {
    return this.#sum(this.#sids.map((sid) => ["scard", keyOf(name, sid)]));
  }

  getMembersBySid(name: string, sid: string): Promise<string[]> {
    return this.#command("smembers", keyOf(name, sid));
  }

  async #sum(commands: readonly Words[]): Promise<number> {
    const counts = await Promise.all(commands.map((words) => this.#command<number>(...words)));
    return counts.reduce((total, count) => total + count, 0);
  }

  #command<T>(...words: Words): Promise<T> {
    if (this.#waiting.length === 0) process.nextTick(() => void this.#send());
    return new Promise<T>((resolve, reject) => {
      const settle = (error: Error | null, reply: unknown): void => (error ? reject(error) : resolve(reply as T));
      this.#waiting.push({ words, settle });
    });
  }

  async #send(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      const replies = await this.#replies(waiting.map(({ words }) => words));
      for (const [index, { settle }] of waiting.entries()) settle(...replies[index]!);
    } catch (error) {
      for (const { settle } of waiting) settle(error as Error, undefined);
    }
  }

  async #replies(commands: readonly Words[]): Promise<[error: Error | null, reply: unknown][]> {
    const [first] = commands as [Words];
    // A pipeline of one only costs more.
    if (commands.length === 1) return [[null, await this.#redis.call(...first)]];
    return (await this.#redis.pipeline(commands.map((words) => [...words])).exec()) ?? [];
  }
}

function keyOf(name: string, sid: string): string {
  return `raw:${name}:${sid}`;
}
