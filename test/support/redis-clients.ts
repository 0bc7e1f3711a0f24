import { Cluster, Redis } from "ioredis";
import { Cluster as Cluster5, Redis as Redis5 } from "ioredis-5";
import type { RedisClient, RedisClusterClient } from "../../src/redis/index.js";

/** A client that an application injects, and what tests do with it themselves. */
export type TestClient<Injected = RedisClient | RedisClusterClient> = Injected & {
  on(event: "error", listener: () => void): unknown;
  listenerCount(event: string): number;
  call(command: string, ...args: string[]): Promise<unknown>;
  ping(): Promise<string>;
  disconnect(): void;
};

interface Address {
  host: string;
  port: number;
}

/** The kinds of clients that an application may inject, each with options of its own choice. */
export const CLIENTS: Record<string, (options: Address & { db: number }) => TestClient<RedisClient>> = {
  "ioredis 6": (options) => new Redis(options),
  "ioredis 6 with RESP2": (options) => new Redis({ ...options, protocol: 2 }),
  "ioredis 6 with the replies of RESP3": (options) => new Redis({ ...options, replyMapping: "resp3" }),
  "ioredis 5": (options) => new Redis5(options),
};

type MakeClusterClient = (
  nodes: Address[],
  redisOptions?: { password?: string; tls?: { ca: Buffer } },
) => TestClient<RedisClusterClient>;

type ClusterClientKind = "ioredis 6" | "ioredis 6 with the replies of RESP3" | "ioredis 5";

/** The same for a Redis Cluster. */
export const CLUSTER_CLIENTS: Record<ClusterClientKind, MakeClusterClient> = {
  "ioredis 6": (nodes, redisOptions = {}) => new Cluster(nodes, { redisOptions }),
  "ioredis 6 with the replies of RESP3": (nodes, redisOptions = {}) =>
    new Cluster(nodes, { redisOptions: { ...redisOptions, replyMapping: "resp3" } }),
  "ioredis 5": (nodes, redisOptions = {}) => new Cluster5(nodes, { redisOptions }),
};
