import type { Cluster, FrontendInfo } from "../types.js";

/** What frontends that are not alive have left. */
export interface Leftovers {
  /** Those whose lease has ended. */
  dead: readonly FrontendInfo[];
  /** See {@link findUnlisted}. */
  unlisted: readonly string[];
}

/**
 * The sids that have members though nobody is alive there. The registry may have forgotten them, or never have heard of them:
 * they need have no lease that could end. 2 round trips at the same time.
 */
export async function findUnlisted({ manager, registry }: Cluster): Promise<string[]> {
  const [live, holding] = await Promise.all([registry.list(), manager.getServers?.() ?? []]);
  const sids = new Set(live.map(({ sid }) => sid));
  return holding.filter((sid) => !sids.has(sid));
}

/**
 * Removes it: the members, each with a `leave` event, and the entries in the registry. The store spares those who hold a lease.
 * @param removed is told of each frontend of which there was something left, and how many members this call has removed
 */
export async function removeLeftovers(
  { manager, registry }: Cluster,
  { dead, unlisted }: Leftovers,
  removed: (sid: string, members: number) => void = () => {},
): Promise<void> {
  for (const frontend of dead) {
    const members = (await manager.evict?.(frontend, "server-down")) ?? 0;
    if ((await registry.forget(frontend)) || members > 0) removed(frontend.sid, members);
  }
  for (const sid of unlisted) {
    const members = (await manager.evict?.({ sid, incarnation: "" }, "server-down")) ?? 0;
    if (members > 0) removed(sid, members);
  }
}
