import { findUnlisted, removeLeftovers } from "../../service/leftovers.js";
import type { Cluster } from "../../types.js";

/**
 * Removes what frontends that are not alive have left, once the application has been told of those that are. A manager that
 * cannot tell them apart has been emptied before, by {@link clean}.
 */
export async function cleanUp(cluster: Cluster): Promise<void> {
  if (!cluster.manager.capabilities?.eviction) return;
  const [dead, unlisted] = await Promise.all([cluster.registry.listDead(0), findUnlisted(cluster)]);
  await removeLeftovers(cluster, { dead, unlisted });
}

/** Removes everything, as the original does, where the manager can do no better: then only one server may do that, before all others. */
export async function clean({ manager }: Cluster): Promise<void> {
  if (!manager.capabilities?.eviction) await manager.clean?.();
}
