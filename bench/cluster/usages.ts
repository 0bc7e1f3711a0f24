import type { Redis } from "ioredis";
import type { ContenderName } from "../contenders/contender.js";
import { type ProcessUsage, processUsageBetween } from "../support/process-usage.js";
import { readRedisUsages, type RedisUsage, serversUsageBetween } from "../support/redis-usage.js";
import type { Participants } from "./participants.js";
import type { Costs } from "./sample.js";

/** What those that a push costs something have used since they began. */
export interface Usages {
  frontends: readonly ProcessUsage[];
  backend: ProcessUsage;
  /** Of each of its servers. */
  redis: readonly RedisUsage[];
}

export async function readUsages({ backend, frontends }: Participants, redis: readonly Redis[]): Promise<Usages> {
  const ofFrontends = await Promise.all(frontends.map((process) => process.call("usage")));
  return { frontends: ofFrontends, backend: await backend.call("usage"), redis: await readRedisUsages(redis) };
}

/** What each of so many pushes in between has cost. @throws where something was reported meanwhile */
export function costsBetween(contender: ContenderName, before: Usages, after: Usages, pushes: number): Costs {
  const frontends = after.frontends.map((usage, index) => processUsageBetween(before.frontends[index]!, usage));
  const backend = processUsageBetween(before.backend, after.backend);
  checkErrors(contender, [...frontends, backend]);
  const redis = serversUsageBetween(before.redis, after.redis);
  const each = (amount: number): number => amount / pushes;
  return {
    redisCalls: Object.fromEntries(Object.entries(redis.calls).map(([name, calls]) => [name, each(calls)])),
    redisBytesOut: each(redis.bytesOut),
    redisBytesIn: each(redis.bytesIn),
    backendBytesRead: each(backend.bytesRead),
    backendBytesWritten: each(backend.bytesWritten),
    backendCpuMs: each(backend.cpuMs),
    frontendsCpuMs: each(frontends.reduce((sum, { cpuMs }) => sum + cpuMs, 0)),
    redisCpuMs: each(redis.cpuMs),
    busiestRedisCpuMs: each(redis.busiestCpuMs),
  };
}

/** @throws where processes have reported what no caller has waited for */
export function checkErrors(contender: ContenderName, usages: readonly ProcessUsage[]): void {
  const errors = usages.flatMap((usage) => usage.errors);
  if (errors.length > 0) throw new Error(`${contender}: ${errors.length} errors, such as ${errors[0]}`);
}
