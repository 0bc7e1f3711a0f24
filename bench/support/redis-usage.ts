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

/** What it has done in between. */
export function redisUsageBetween(before: RedisUsage, after: RedisUsage): RedisUsage {
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
