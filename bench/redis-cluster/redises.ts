/** What is compared, in the order in which it takes turns: one standalone server, and Redis Clusters of so many primaries. */
const PRIMARIES = { "1 server": undefined, "3 primaries": 3, "6 primaries": 6 } as const;

export type RedisName = keyof typeof PRIMARIES;

/** What all others are compared with. */
export const ONE: RedisName = "1 server";
/** With how many the promises are made. */
export const PROMISED: RedisName = "3 primaries";
export const ALL = Object.keys(PRIMARIES) as RedisName[];
export const FEW: readonly RedisName[] = [ONE, PROMISED];

/** Undefined: it is no Redis Cluster. */
export function primariesOf(name: RedisName): number | undefined {
  return PRIMARIES[name];
}
