import { RedisChannelManager } from "../managers/redis/manager.js";
import { RedisServerRegistry } from "../registries/redis/registry.js";
import { RedisTokenStore } from "../tokens/redis.js";
import { RedisTransport } from "../transports/redis/transport.js";
import type { Cluster } from "../types.js";
import { RedisConnection, type RedisClusterOptions } from "./connection.js";
import { RedisFusedPush } from "./fused-push.js";
import type { RedisSource } from "./source.js";

export { RedisChannelManager } from "../managers/redis/manager.js";
export { RedisServerRegistry } from "../registries/redis/registry.js";
export { RedisTokenStore } from "../tokens/redis.js";
export { RedisTransport } from "../transports/redis/transport.js";
export { RedisConnection, type RedisClusterOptions } from "./connection.js";
export type { RedisClient, RedisClusterClient, RedisClusterSource, RedisSource } from "./source.js";
export { migrate, type MigrationOptions, type MigrationProgress, type MigrationReport } from "./migrate.js";

/**
 * A cluster on one Redis (6.2 or newer), one that Sentinel watches, a Redis Cluster (7.0 or newer) or Valkey: membership, leases,
 * transport and tokens share two connections for each process, in a Redis Cluster two to each primary.
 *
 * @param source a URL, ioredis options, or a client of ioredis 5 or 6, which is never closed here (its subscriptions get connections
 *   of their own)
 * @throws `GC_INVALID_OPTION`
 */
export function redis(source: RedisSource, options?: RedisClusterOptions): Cluster {
  const connection = new RedisConnection(source, options);
  const manager = new RedisChannelManager(connection);
  const registry = new RedisServerRegistry(connection);
  const transport = new RedisTransport(connection);
  const fusedPush = new RedisFusedPush(connection, { manager, registry, transport });
  return { manager, registry, transport, fusedPush, tokens: new RedisTokenStore(connection) };
}
