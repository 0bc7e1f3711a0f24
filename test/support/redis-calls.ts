import type { Redis } from "ioredis";

/** How often a command was called so far, by clients and inside scripts. */
export async function calls(client: Redis, command: string): Promise<number> {
  const info = await client.info("commandstats");
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(info)?.[1] ?? 0);
}
