import { findUnlisted, forgetDead } from "../../service/leftovers.js";
import type { Cluster } from "../../types.js";

/**
 * Removes what frontends that are not alive have left, once the application has been told of those that are. A manager that
 * cannot tell them apart has been emptied before, by {@link clean}.
 */
export async function cleanUp(cluster: Cluster): Promise<void> {
  if (!cluster.manager.capabilities?.eviction) return;
  for await (const frontend of forgetDead(cluster, 0)) await cluster.manager.evict?.(frontend, "server-down");
  for (const frontend of await findUnlisted(cluster)) await cluster.manager.evict?.(frontend, "server-down");
}

/** Removes everything, as the original does, where the manager can do no better: then only one server may do that, before all others. */
export async function clean({ manager }: Cluster): Promise<void> {
  if (!manager.capabilities?.eviction) await manager.clean?.();
}
