import type { Cluster } from "../../types.js";

/**
 * Removes what frontends that are not alive have left. Where the manager cannot tell them apart, everything is removed, as
 * the original does: then only the first server of an application that starts may do that.
 */
export async function cleanUp({ manager, registry }: Cluster): Promise<void> {
  if (!manager.capabilities?.eviction) {
    await manager.clean?.();
    return;
  }
  for (const frontend of await registry.listDead(0)) {
    await manager.evict?.(frontend, "server-down");
    await registry.forget(frontend);
  }
  // The store itself spares those who hold a lease.
  for (const sid of (await manager.getServers?.()) ?? []) {
    await manager.evict?.({ sid, incarnation: "" }, "server-down");
  }
}
