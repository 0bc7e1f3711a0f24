import { MemoryChannelManager } from "globalchannel";
import { MysqlChannelManager } from "globalchannel/mysql";
import { RedisChannelManager, RedisConnection } from "globalchannel/redis";
import type { ChannelManager } from "../../src/types.js";
import { RawMysql } from "./raw-mysql.js";
import { RawRedis } from "./raw-redis.js";

/** In the order in which they take turns. */
export const CONTENDERS = ["memory", "redis", "raw Redis", "mysql", "raw MySQL"] as const;
export type ContenderName = (typeof CONTENDERS)[number];

/** Which store a contender needs. */
export const STORES = {
  memory: undefined,
  redis: "redis",
  "raw Redis": "redis",
  mysql: "mysql",
  "raw MySQL": "mysql",
} as const satisfies Record<ContenderName, "redis" | "mysql" | undefined>;

/** A manager, or what its store can do of it. */
export type Contender = Partial<ChannelManager>;

/** @param url where its store is */
export function createContender(name: ContenderName, url: string): Contender {
  switch (name) {
    case "memory":
      return new MemoryChannelManager();
    case "redis":
      return new RedisChannelManager(new RedisConnection(url));
    case "raw Redis":
      return new RawRedis(url);
    case "mysql":
      return new MysqlChannelManager(url);
    case "raw MySQL":
      return new RawMysql(url);
  }
}
