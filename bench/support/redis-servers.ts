import { Redis } from "ioredis";
import { installRedisCli } from "../../test/support/redis-cli.js";
import { startRedisCluster } from "../../test/support/redis-cluster.js";
import { startRedis } from "../../test/support/redis-server.js";
import { redisClusterUrl } from "./redis-at.js";
import type { Scope } from "./scope.js";

/** One Redis, or a Redis Cluster, that was started for a bench. */
export interface RedisServers {
  /** As `redisAt` takes it. */
  url: string;
  /** A client of each of its servers. */
  clients: readonly Redis[];
}

export interface RedisServersOptions {
  /** How many a Redis Cluster has, without replicas. @default it is one standalone server */
  primaries?: number | undefined;
  /** Further arguments of the server program. */
  args?: readonly string[];
}

/** As it is by default: a server that an overloaded machine delays is not gone. */
const NODE_TIMEOUT_MS = 15_000;

/** They end with `scope`. */
export async function startRedisServers(
  scope: Scope,
  { primaries, args = [] }: RedisServersOptions = {},
): Promise<RedisServers> {
  const started = await (primaries === undefined ? startServer(scope, args) : startCluster(scope, primaries, args));
  const clients = started.nodes.map(({ host, port }) => new Redis(port, host));
  for (const client of clients) scope.defer(() => client.disconnect());
  return { url: started.url, clients };
}

type Started = Pick<RedisServers, "url"> & { nodes: readonly { host: string; port: number }[] };

async function startServer(scope: Scope, args: readonly string[]): Promise<Started> {
  const server = await startRedis({ args });
  scope.defer(() => server.stop());
  return { url: server.url, nodes: [server] };
}

async function startCluster(scope: Scope, primaries: number, args: readonly string[]): Promise<Started> {
  await installRedisCli(console.error);
  const cluster = await startRedisCluster({ primaries, replicas: 0, nodeTimeoutMs: NODE_TIMEOUT_MS, args });
  scope.defer(() => cluster.stop());
  return { url: redisClusterUrl(cluster.startupNodes), nodes: cluster.nodes };
}
