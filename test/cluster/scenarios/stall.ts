import { pause } from "../../support/pause.js";
import { DEFAULTS, eventually, type Owner, type RunningFrontend, startCluster } from "../cluster.js";
import { Crowd } from "../crowd.js";
import type { Protection } from "../without.js";

export interface StallPlan {
  /** For how long the frontend stands still. */
  stallMs: number;
  /** Each with two memberships. */
  users: number;
  leaseMs?: number;
  graceMs?: number;
  /** How soon everything has to be as it was. */
  withinMs: number;
  without?: readonly Protection[];
}

export interface StallResult {
  stallMs: number;
  memberships: number;
  /** Members at the end, as the store counts them. */
  members: number;
  /** The members of the large channel that are listed, and those of them who are listed more than once. */
  listed: number;
  doubled: number;
  /** Of all listeners: leaves, and memberships of which not one more join than leaves was told. */
  leaves: number;
  unbalanced: number;
}

const LISTENERS = 3;

/** Stops a frontend (`SIGSTOP`) for longer than its lease, and lets it go on. */
export async function stall(owner: Owner, plan: StallPlan): Promise<StallResult> {
  const { users, stallMs, withinMs, leaseMs = DEFAULTS.leaseMs, graceMs = DEFAULTS.graceMs, without = [] } = plan;
  const cluster = await startCluster(owner, {
    ...{ frontends: 2, backends: LISTENERS, leaseMs, graceMs, hasNamedSessions: true, without },
  });
  const [stalled, other] = cluster.frontends as [RunningFrontend, RunningFrontend];
  const [backend] = cluster.backends;
  const crowd = new Crowd(owner, cluster, { name: "stall", size: users, sids: [stalled.sid] });
  await crowd.enter(cluster.frontends, backend!);

  await pause(stalled.process.pid, stallMs);
  // It is live again, and then has everything back.
  await eventually(async () => (await backend!.call("count", crowd.large)) === users, withinMs).catch(() => {});
  await eventually(() => crowd.isComplete(backend!), withinMs).catch(() => {});
  // Whatever was told is told before this.
  await backend!.call("addMany", [{ name: "last", uid: "last", sid: other.sid }]);
  const told = await Promise.all(
    cluster.backends.map(async (listener) => {
      await eventually(async () => (await listener.call("events")).some(({ uid }) => uid === "last"), 10_000);
      return (await listener.call("takeEvents")).filter(({ uid }) => uid !== "last");
    }),
  );
  const listed = await backend!.call("listed", crowd.large);
  return {
    ...{ stallMs, memberships: 2 * users },
    members: await backend!.call("countAll", crowd.channels),
    listed: listed.length,
    doubled: listed.length - new Set(listed).size,
    leaves: told.flat().filter(({ type }) => type === "leave").length,
    unbalanced: told.reduce((sum, events) => {
      const balance = new Map(crowd.memberships.map(({ name, uid }) => [`${name} ${uid}`, 0]));
      for (const { name, uid, type } of events) {
        const key = `${name} ${uid}`;
        balance.set(key, (balance.get(key) ?? 0) + (type === "join" ? 1 : -1));
      }
      return sum + [...balance.values()].filter((more) => more !== 1).length;
    }, 0),
  };
}
