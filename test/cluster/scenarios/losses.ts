import { monotonicMs } from "../../support/monotonic.js";
import { DEFAULTS, eventually, type Owner, startCluster } from "../cluster.js";
import { Crowd } from "../crowd.js";
import { isComplete } from "../outcome.js";
import type { Protection } from "../without.js";

/** How Redis loses everything. */
export type Loss = "FLUSHALL" | "SIGKILL, restarted empty";

export interface LossesPlan {
  losses: readonly Loss[];
  /** Each with two memberships. */
  users: number;
  frontends: number;
  /** @default that of the product */
  leaseMs?: number;
  withinMs: number;
  without?: readonly Protection[];
  say?: (progress: string) => void;
}

export interface LossResult {
  loss: Loss;
  memberships: number;
  /** How long it took until every membership and session was back, since Redis was there; undefined: not in time. */
  backMs: number | undefined;
  /** The same, for the first push that reached every member of the large channel. */
  pushedMs: number | undefined;
  /** Joins that a listener was told of, of those that were lost; each is to be told once. */
  joins: number;
}

const POLL_MS = 100;

/** Lets Redis lose everything, again and again. */
export async function loseEverything(owner: Owner, plan: LossesPlan): Promise<LossResult[]> {
  const { users, withinMs, leaseMs = DEFAULTS.leaseMs, without = [], say } = plan;
  say?.(`${users} users enter`);
  const cluster = await startCluster(owner, {
    ...{ ...DEFAULTS, leaseMs, frontends: plan.frontends, backends: 3 },
    ...{ hasNamedSessions: true, countsEvents: true, without },
  });
  const { redis, backends } = cluster;
  const [backend, other] = backends;
  const crowd = new Crowd(owner, cluster, { name: "lost", size: users, sids: cluster.frontends.map(({ sid }) => sid) });
  await crowd.enter(cluster.frontends, backend!);
  const results: LossResult[] = [];
  for (const loss of plan.losses) {
    say?.(`${loss}: waiting until all is back`);
    const joinsBefore = await joinsOf(other!);
    if (loss === "FLUSHALL") await crowd.client.flushall();
    else {
      await redis.kill();
      await redis.restart();
    }
    const thereAt = monotonicMs();
    const since = async (isSo: () => Promise<boolean>): Promise<number | undefined> => {
      try {
        // Looking is not to take much of the time that all of them have together.
        await eventually(isSo, withinMs, POLL_MS);
        return monotonicMs() - thereAt;
      } catch {
        return undefined;
      }
    };
    const [backMs, pushedMs] = await Promise.all([
      since(() => crowd.isComplete(backend!)),
      since(async () => isComplete(await other!.call("push", "again", null, crowd.large), users)),
    ]);
    results.push({ loss, memberships: 2 * users, backMs, pushedMs, joins: (await joinsOf(other!)) - joinsBefore });
  }
  return results;
}

async function joinsOf(backend: { call(name: "eventCounts"): Promise<Map<string, number>> }): Promise<number> {
  return (await backend.call("eventCounts")).get("join restored") ?? 0;
}
