import type { Cluster, FrontendId, FrontendInfo } from "../types.js";

/**
 * Forgets the leases that ended more than `graceMs` ago. Gives each one that this call has forgotten, whose members are to be
 * evicted then: in this order, for a frontend that returns meanwhile finds its lease missing, and registers its members again.
 * Of any number of callers one forgets each. 1 round trip, and 1 for each.
 */
export async function* forgetDead({ registry }: Cluster, graceMs: number): AsyncGenerator<FrontendInfo> {
  for (const frontend of await registry.listDead(graceMs)) {
    if (await registry.forget(frontend)) yield frontend;
  }
}

/**
 * The frontends that have members though nobody is alive there, of no incarnation: the registry has forgotten them, or never
 * heard of them, so that they have no lease that could end. 2 round trips at the same time.
 */
export async function findUnlisted({ manager, registry }: Cluster): Promise<FrontendId[]> {
  const [live, holding] = await Promise.all([registry.list(), manager.getServers?.() ?? []]);
  const sids = new Set(live.map(({ sid }) => sid));
  return holding.filter((sid) => !sids.has(sid)).map((sid) => ({ sid, incarnation: "" }));
}
