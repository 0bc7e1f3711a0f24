import keySlot from "cluster-key-slot";
import type { RedisSource } from "../../src/redis/index.js";
import { PartitionedLayout } from "../../src/redis/layout.js";
import type { Owner } from "../cluster/cluster.js";
import { startRedisCluster } from "../support/redis-cluster.js";
import type { RedisNode } from "../support/redis-node.js";
import { startSentinel } from "../support/redis-sentinel.js";
import { SIDS } from "./world.js";

/** What sees to it that a replica takes over. */
export type FailoverMode = "Redis Cluster" | "Sentinel";

/** In the slot of an inbox: no push gets by without it. */
export const KEY = new PartitionedLayout("probe").of(SIDS[0]!).sids;

/** Servers one of which is to fail. */
export interface FailingServers {
  source: RedisSource;
  nodes: readonly RedisNode[];
  /** The one with {@link KEY}. */
  primary: RedisNode;
  waitUntilOk(): Promise<void>;
}

/** @param silentMs after how long without an answer a primary counts as gone */
export async function startServers(owner: Owner, mode: FailoverMode, silentMs: number): Promise<FailingServers> {
  if (mode === "Sentinel") {
    const servers = await startSentinel({ downAfterMs: silentMs });
    owner.teardown(() => servers.stop());
    return {
      source: { sentinels: servers.sentinels, name: servers.name },
      nodes: servers.nodes,
      primary: await servers.primary(),
      waitUntilOk: () => servers.waitUntilOk(),
    };
  }
  const servers = await startRedisCluster({ nodeTimeoutMs: silentMs });
  owner.teardown(() => servers.stop());
  return {
    source: { cluster: servers.startupNodes },
    nodes: servers.nodes,
    primary: await servers.primaryOf(keySlot(KEY)),
    waitUntilOk: () => servers.waitUntilOk(),
  };
}
