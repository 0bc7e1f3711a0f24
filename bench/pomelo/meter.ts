import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { FrameworkCluster, FrameworkServer } from "../../test/cluster/frameworks/framework-cluster.js";
import { readRedisUsage } from "../support/redis-usage.js";
import { combine, type Costs } from "./costs.js";
import { USAGE } from "./server-setup.js";
import type { ServerUsage } from "./server-usage.js";

/** How often a measurement of nothing is made, to know what measuring costs. */
const EMPTY_MEASUREMENTS = 10;

/** Sees what a cluster and its Redis spend. */
export class Meter {
  readonly #cluster: FrameworkCluster;
  readonly #redis: Redis;
  #costsOfMeasuring: Costs = combine(() => 0);
  #costsOfIdleMs: Costs = combine(() => 0);

  constructor(cluster: FrameworkCluster, redis: Redis) {
    this.#cluster = cluster;
    this.#redis = redis;
  }

  /**
   * Learns what is to be subtracted from now on: measuring itself costs something, and so does a cluster of which nothing is
   * asked: its servers tell the master how they are, and ours renew leases and look for dead frontends. That is the least of
   * several seconds: in others V8 tidies up, which it does not while there is work.
   */
  async measureIdle(seconds: number): Promise<void> {
    const start = await this.#totals();
    for (let count = 1; count < EMPTY_MEASUREMENTS; count++) await this.#totals();
    let before = await this.#totals();
    this.#costsOfMeasuring = combine((cost) => (before[cost] - start[cost]) / EMPTY_MEASUREMENTS);
    this.#costsOfIdleMs = combine(() => Infinity);
    for (let second = 0; second < seconds; second++) {
      const startedAt = performance.now();
      await sleep(1000);
      const elapsedMs = performance.now() - startedAt;
      const after = await this.#totals();
      const costs = combine((cost) => (after[cost] - before[cost] - this.#costsOfMeasuring[cost]) / elapsedMs);
      this.#costsOfIdleMs = combine((cost) => Math.max(0, Math.min(this.#costsOfIdleMs[cost], costs[cost])));
      before = after;
    }
  }

  /** What `work` has cost, beyond doing nothing for as long. */
  async measure<T>(work: () => Promise<T>): Promise<{ result: T; costs: Costs }> {
    const before = await this.#totals();
    const startedAt = performance.now();
    const result = await work();
    const elapsedMs = performance.now() - startedAt;
    const after = await this.#totals();
    const costs = combine((cost) => {
      const inVain = this.#costsOfMeasuring[cost] + this.#costsOfIdleMs[cost] * elapsedMs;
      return Math.max(0, after[cost] - before[cost] - inVain);
    });
    return { result, costs };
  }

  /** Since all began. */
  async #totals(): Promise<Costs> {
    const redis = await readRedisUsage(this.#redis);
    const backend = await usageOf(this.#cluster.backends[0]!);
    const connectors = await Promise.all(this.#cluster.connectors.map(usageOf));
    const sum = (value: (usage: ServerUsage) => number, usages = [backend, ...connectors]): number =>
      usages.reduce((total, usage) => total + value(usage), 0);
    return {
      backendCpuMs: backend.cpuMs,
      connectorsCpuMs: sum(({ cpuMs }) => cpuMs, connectors),
      redisCpuMs: redis.cpuMs,
      commandsFromClients: sum(({ commands }) => commands),
      backendRoundTrips: backend.roundTrips,
      redisCalls: Object.values(redis.calls).reduce((total, calls) => total + calls, 0),
      bytesFromRedis: sum(({ redisBytesRead }) => redisBytesRead),
      bytesFromRedisToBackend: backend.redisBytesRead,
      bytesToRedis: sum(({ redisBytesWritten }) => redisBytesWritten),
      rpcBytesWritten: backend.rpcBytesWritten,
    };
  }
}

async function usageOf({ process }: FrameworkServer): Promise<ServerUsage> {
  return (await process.call("callPromise", USAGE)) as ServerUsage;
}
