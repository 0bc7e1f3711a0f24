import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../../support/monotonic.js";
import { DEFAULTS, eventually, type Owner, type RunningFrontend, startCluster } from "../cluster.js";
import { Crowd } from "../crowd.js";
import { isComplete } from "../outcome.js";
import type { Protection } from "../without.js";

export interface ClockPlan {
  /** How far the clocks of one frontend's and of one backend's host are ahead. */
  shiftMs: number;
  /** Of each of the two frontends. */
  users: number;
  leaseMs?: number;
  graceMs?: number;
  without?: readonly Protection[];
}

export interface ClockResult {
  shiftMs: number;
  /** How far the clock of that frontend was ahead of this process's. */
  seenShiftMs: number;
  /** Pushes of both backends over some leases, and how many of them reached every member of both frontends. */
  pushes: number;
  complete: number;
  /** Leaves that listeners were told of while both frontends were alive. */
  leavesOfLiving: number;
  /** From the kill of the frontend until no backend counted its members any more; undefined: not within the lease and some. */
  goneMs: number | undefined;
  /** The same, until the store had nothing of it: within the lease, the grace and some. */
  evictedMs: number | undefined;
  /** Leaves that both listeners were told of then, and how many there should have been. */
  leaves: number;
  memberships: number;
}

const LEASES = 3;
const REAP_INTERVAL_MS = 1000;
/** How late a busy machine may be. */
const SLACK_MS = 1500;

/** Lets the clocks of some hosts be wrong, and ends one of the frontends there. */
export async function shiftClocks(owner: Owner, plan: ClockPlan): Promise<ClockResult> {
  const { shiftMs, users, leaseMs = DEFAULTS.leaseMs, graceMs = DEFAULTS.graceMs, without = [] } = plan;
  const options = { leaseMs, graceMs, hasNamedSessions: true, countsEvents: true, without };
  const cluster = await startCluster(owner, { ...options, frontends: 1, backends: 1 });
  const shifted = await cluster.startFrontend({ sid: "connector-off", clockShiftMs: shiftMs });
  const frontends = [...cluster.frontends, shifted];
  const backends = [...cluster.backends, await cluster.startBackend({ clockShiftMs: shiftMs })];
  const crowdAt = async ({ sid }: RunningFrontend): Promise<Crowd> => {
    const crowd = new Crowd(owner, cluster, { name: sid, size: users, sids: [sid] });
    await crowd.enter(frontends, backends[0]!);
    return crowd;
  };
  const [stays, dies] = [await crowdAt(frontends[0]!), await crowdAt(shifted)];
  const leavesTold = async (): Promise<number> => {
    const counts = await Promise.all(backends.map((backend) => backend.call("eventCounts")));
    return counts
      .flatMap((of) => [...of])
      .reduce((sum, [kind, count]) => sum + (kind.startsWith("leave") ? count : 0), 0);
  };

  let [pushes, complete] = [0, 0];
  for (const endAt = monotonicMs() + LEASES * leaseMs; monotonicMs() < endAt; await sleep(leaseMs / 10)) {
    const both = backends.map((backend) => backend.call("push", "tick", null, [stays.large, dies.large]));
    for (const outcome of await Promise.all(both)) {
      pushes++;
      if (isComplete(outcome, 2 * users)) complete++;
    }
  }
  const leavesOfLiving = await leavesTold();
  const seenShiftMs = (await shifted.process.call("now")) - Date.now();
  await shifted.process.kill();
  const killedAt = monotonicMs();
  const until = async (isSo: () => Promise<boolean>, withinMs: number): Promise<number | undefined> => {
    try {
      await eventually(isSo, killedAt + withinMs - monotonicMs());
      return monotonicMs() - killedAt;
    } catch {
      return undefined;
    }
  };
  const goneMs = await until(async () => {
    const counts = await Promise.all(backends.map((backend) => backend.call("count", dies.large)));
    return counts.every((count) => count === 0);
  }, leaseMs + SLACK_MS);
  const evictedMs = await until(
    () => dies.isForgotten(shifted.sid),
    leaseMs + graceMs + 2 * REAP_INTERVAL_MS + SLACK_MS,
  );
  const memberships = 2 * 2 * users;
  await until(async () => (await leavesTold()) - leavesOfLiving >= memberships, leaseMs + graceMs + 4 * SLACK_MS);
  const leaves = (await leavesTold()) - leavesOfLiving;
  return { shiftMs, seenShiftMs, pushes, complete, leavesOfLiving, goneMs, evictedMs, leaves, memberships };
}
