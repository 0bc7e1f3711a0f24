import { type HistoryPatterns, historyPatterns } from "../history-limits.js";
import { RedisChannelHistory } from "../histories/redis/history.js";
import { RedisChannelManager } from "../managers/redis/manager.js";
import { RedisServerRegistry } from "../registries/redis/registry.js";
import { RedisSubscriberStore } from "../subscribers/redis.js";
import { RedisTokenStore } from "../tokens/redis.js";
import { RedisTransport } from "../transports/redis/transport.js";
import { resolveOptions } from "../options.js";
import type { Cluster } from "../types.js";
import { RedisConnection, type RedisConnectionOptions } from "./connection.js";
import { RedisFusedPush } from "./fused-push.js";
import { checkPrefix, type RedisSource } from "./source.js";

export { RedisChannelHistory } from "../histories/redis/history.js";
export { RedisChannelManager } from "../managers/redis/manager.js";
export { RedisServerRegistry } from "../registries/redis/registry.js";
export { RedisSubscriberStore } from "../subscribers/redis.js";
export { RedisTokenStore } from "../tokens/redis.js";
export { RedisTransport } from "../transports/redis/transport.js";
export { RedisConnection, type RedisConnectionOptions } from "./connection.js";
export type { RedisClient, RedisClusterClient, RedisClusterSource, RedisSource } from "./source.js";
export { migrate, type MigrationOptions, type MigrationProgress, type MigrationReport } from "./migrate.js";

export interface RedisClusterOptions extends RedisConnectionOptions {
  /** Which channels keep how much. @default none, but for pushes that say so */
  history?: HistoryPatterns | undefined;
}

/**
 * A cluster on one Redis (6.2 or newer), one that Sentinel watches, a Redis Cluster (7.0 or newer) or Valkey: membership, leases,
 * transport, history and tokens share two connections for each process, in a Redis Cluster two to each primary.
 *
 * @param source a URL, ioredis options, or a client of ioredis 5 or 6, which is never closed here (its subscriptions get connections
 *   of their own)
 * @throws `GC_INVALID_OPTION`
 */
export function redis(source: RedisSource, options: RedisClusterOptions = {}): Cluster {
  const { prefix, history: channels } = resolveOptions("redis", options, {
    prefix: checkPrefix,
    history: historyPatterns,
  });
  const connection = new RedisConnection(source, { prefix });
  const manager = new RedisChannelManager(connection);
  const registry = new RedisServerRegistry(connection);
  const transport = new RedisTransport(connection);
  const history = new RedisChannelHistory(connection, { channels });
  const fusedPush = new RedisFusedPush(connection, { manager, registry, transport }, history);
  const subscribers = new RedisSubscriberStore(connection);
  return { manager, registry, transport, fusedPush, history, subscribers, tokens: new RedisTokenStore(connection) };
}
