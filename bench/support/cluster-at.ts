import { MysqlChannelManager } from "globalchannel/mysql";
import type { ClusterInput } from "../../src/types.js";
import { redisAt } from "./redis-at.js";

/** Where a cluster keeps what. */
export interface ClusterUrls {
  /** As `redisAt` takes it. */
  redis: string;
  /** Where the members are. @default in Redis */
  mysql?: string | undefined;
  /** Of the keys in Redis. @default that of `redis()` */
  prefix?: string | undefined;
}

export function clusterAt(urls: ClusterUrls): ClusterInput {
  const cluster = redisAt(urls.redis, urls.prefix);
  return urls.mysql === undefined ? cluster : { ...cluster, manager: new MysqlChannelManager(urls.mysql) };
}
