import type { Cluster } from "../../src/index.js";
import { MemoryChannelHistory } from "../../src/histories/memory.js";
import { replacing } from "./stage.js";

/**
 * The ways in which a push that is kept may go, each by a cluster that differs from the one given: in one step where there is one for
 * that; by versions, where a part is the user's own; by uids, where the transport takes no others; and after it is kept in a history of
 * the user's own, which returns at once what it has done, or a promise.
 */
export const WAYS: Record<string, (cluster: Cluster) => Cluster> = {
  "as it comes": (cluster) => cluster,
  "with a manager of one's own": (cluster) => ({ ...cluster, manager: replacing(cluster.manager, {}) }),
  "with a registry of one's own": (cluster) => ({ ...cluster, registry: replacing(cluster.registry, {}) }),
  "by uids": (cluster) => ({
    ...cluster,
    transport: replacing(cluster.transport, { limits: { uidsOnly: true } }),
  }),
  "with a history of one's own": (cluster) => ({
    ...cluster,
    history: replacing(cluster.history!, {}),
  }),
  "with a history in memory": (cluster) => ({
    ...cluster,
    history: new MemoryChannelHistory({ channels: { "room:hidden:*": false, "room*": { size: 100, ttlMs: 60_000 } } }),
  }),
};
