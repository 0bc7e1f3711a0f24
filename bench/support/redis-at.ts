import { redis } from "globalchannel/redis";
import type { Cluster } from "../../src/types.js";

/** What the URL of a Redis Cluster begins with; its nodes follow, with commas between. */
const SCHEME = "redis-cluster://";

/** A URL for processes of the benches: a Redis Cluster has none of its own. */
export function redisClusterUrl(nodes: readonly { host: string; port: number }[]): string {
  return `${SCHEME}${nodes.map(({ host, port }) => `${host}:${port}`).join(",")}`;
}

/**
 * @param url of one Redis, or what {@link redisClusterUrl} gives
 * @param prefix of its keys, where it is not that of `redis()`
 */
export function redisAt(url: string, prefix?: string): Cluster {
  const options = prefix === undefined ? {} : { prefix };
  if (!url.startsWith(SCHEME)) return redis(url, options);
  const nodes = url.slice(SCHEME.length).split(",");
  const cluster = nodes.map((node) => {
    const [host, port] = node.split(":") as [string, string];
    return { host, port: Number(port) };
  });
  return redis({ cluster }, options);
}
