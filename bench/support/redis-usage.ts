import type { Redis } from "ioredis";

/** What a Redis server has done. */
export interface RedisUsage {
  /** How often each command was called, by clients or inside scripts. */
  calls: Record<string, number>;
  bytesIn: number;
  bytesOut: number;
  cpuMs: number;
}

/** What it has done since it began. */
export async function readRedisUsage(client: Redis): Promise<RedisUsage> {
  const info = await client.info("everything");
  const number = (field: string): number => Number(new RegExp(`^${field}:(.*)$`, "m").exec(info)?.[1]);
  const calls: Record<string, number> = {};
  for (const [, command, count] of info.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)) calls[command!] = Number(count);
  // The measurement itself.
  delete calls["info"];
  return {
    calls,
    bytesIn: number("total_net_input_bytes"),
    bytesOut: number("total_net_output_bytes"),
    cpuMs: (number("used_cpu_user") + number("used_cpu_sys")) * 1000,
  };
}

/** What several servers have done together. */
export interface ServersUsage extends RedisUsage {
  /** Of the one that has used most. */
  busiestCpuMs: number;
}

/** What it has done in between. */
function redisUsageBetween(before: RedisUsage, after: RedisUsage): RedisUsage {
  const calls: Record<string, number> = {};
  for (const [command, count] of Object.entries(after.calls)) {
    const more = count - (before.calls[command] ?? 0);
    if (more > 0) calls[command] = more;
  }
  return {
    calls,
    bytesIn: after.bytesIn - before.bytesIn,
    bytesOut: after.bytesOut - before.bytesOut,
    cpuMs: after.cpuMs - before.cpuMs,
  };
}

export function readRedisUsages(servers: readonly Redis[]): Promise<RedisUsage[]> {
  return Promise.all(servers.map(readRedisUsage));
}

/** What the same servers have done in between. */
export function serversUsageBetween(before: readonly RedisUsage[], after: readonly RedisUsage[]): ServersUsage {
  const usages = after.map((usage, index) => redisUsageBetween(before[index]!, usage));
  const sum = (value: (usage: RedisUsage) => number): number =>
    usages.reduce((total, usage) => total + value(usage), 0);
  const commands = new Set(usages.flatMap(({ calls }) => Object.keys(calls)));
  return {
    calls: Object.fromEntries(Array.from(commands, (name) => [name, sum(({ calls }) => calls[name] ?? 0)])),
    bytesIn: sum(({ bytesIn }) => bytesIn),
    bytesOut: sum(({ bytesOut }) => bytesOut),
    cpuMs: sum(({ cpuMs }) => cpuMs),
    busiestCpuMs: Math.max(...usages.map(({ cpuMs }) => cpuMs)),
  };
}
