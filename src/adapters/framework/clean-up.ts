import type { Cluster } from "../../types.js";

/**
 * Removes what frontends that are not alive have left, once the application has been told of those that are. A manager that
 * cannot tell them apart has been emptied before, by {@link clean}.
 */
export async function cleanUp({ manager, registry }: Cluster): Promise<void> {
  if (!manager.capabilities?.eviction) return;
  for (const frontend of await registry.listDead(0)) {
    await manager.evict?.(frontend, "server-down");
    await registry.forget(frontend);
  }
  const live = new Set((await registry.list()).map(({ sid }) => sid));
  for (const sid of (await manager.getServers?.()) ?? []) {
    // The store itself spares those who hold a lease.
    if (!live.has(sid)) await manager.evict?.({ sid, incarnation: "" }, "server-down");
  }
}

/** Removes everything, as the original does, where the manager can do no better: then only one server may do that, before all others. */
export async function clean({ manager }: Cluster): Promise<void> {
  if (!manager.capabilities?.eviction) await manager.clean?.();
}
