import { MysqlChannelManager } from "globalchannel/mysql";
import { redis } from "globalchannel/redis";
import type { ClusterInput } from "../../src/types.js";

/** Where a cluster keeps what. */
export interface ClusterUrls {
  redis: string;
  /** Where the members are. @default in Redis */
  mysql?: string | undefined;
}

export function clusterAt(urls: ClusterUrls): ClusterInput {
  const cluster = redis(urls.redis);
  return urls.mysql === undefined ? cluster : { ...cluster, manager: new MysqlChannelManager(urls.mysql) };
}
