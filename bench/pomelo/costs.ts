/** What is counted of a cluster, for one push or one add. */
export const COSTS = [
  "backendCpuMs",
  "connectorsCpuMs",
  "redisCpuMs",
  /** What servers have sent to Redis. */
  "commandsFromClients",
  /** How often the backend had nothing on the way to Redis, and sent something. One at a time: its round trips. */
  "backendRoundTrips",
  /** What Redis has counted: commands from clients, and those inside scripts. */
  "redisCalls",
  "bytesFromRedis",
  "bytesFromRedisToBackend",
  "bytesToRedis",
  /** By the backend, to the RPC of the connectors. */
  "rpcBytesWritten",
] as const;

export type CostName = (typeof COSTS)[number];
export type Costs = Record<CostName, number>;

/** The costs of something, each combined from those of others in the same way. */
export function combine(of: (cost: CostName) => number): Costs {
  return Object.fromEntries(COSTS.map((cost) => [cost, of(cost)])) as Costs;
}
