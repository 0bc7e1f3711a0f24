import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import keySlot from "cluster-key-slot";
import { HeardLeaves } from "../../src/frontend/heard-leaves.js";
import type { ChangeListener, Cluster } from "../../src/index.js";
import type { RedisSource } from "../../src/redis/index.js";
import { PartitionedLayout } from "../../src/redis/layout.js";
import { addsUp, type CallOutcome } from "../cluster/outcome.js";
import { monotonicMs } from "../support/monotonic.js";
import { startRedisCluster, type RedisCluster } from "../support/redis-cluster.js";
import type { RedisNode } from "../support/redis-node.js";
import { replacing } from "../support/stage.js";
import { failOver, goodWithinMs, lastBadOf } from "./failover.js";
import { type FailingServers, type FailoverMode, startServers } from "./servers.js";
import { CALM_MS, isWhole, TopologyWorld } from "./world.js";

// The servers change while pushes and changes go on: slots move, a server joins, a primary dies and its replica takes over.

/** How long after the servers are well again the first push has to be complete, in milliseconds. */
const GOOD_MS = 3000;
/** After how long without an answer a primary counts as gone. */
const SILENT_MS = 1000;
const MODES: readonly FailoverMode[] = ["Redis Cluster", "Sentinel"];

async function startCluster(t: ExecutionContext): Promise<{ servers: RedisCluster; source: RedisSource }> {
  const servers = await startRedisCluster();
  t.teardown(() => servers.stop());
  return { servers, source: { cluster: servers.startupNodes } };
}

/** What holds whatever has happened. */
async function end(t: ExecutionContext, world: TopologyWorld): Promise<CallOutcome[]> {
  await sleep(CALM_MS);
  const outcomes = await world.stop();
  t.deepEqual(await world.whatIsWrongInTheEnd(), []);
  t.deepEqual(world.wrongDeliveries(outcomes), []);
  t.deepEqual(
    outcomes.filter((outcome) => !addsUp(outcome)),
    [],
  );
  return outcomes;
}

/** Nothing was to be noticed. */
function allWentWell(t: ExecutionContext, world: TopologyWorld, outcomes: readonly CallOutcome[]): void {
  t.deepEqual(
    outcomes.filter((outcome) => !isWhole(outcome.report)).map(({ report, error }) => report?.frontends ?? error),
    [],
  );
  t.deepEqual(
    world.errors.map(({ message }) => message),
    [],
  );
}

/** Pushes are good again soon. */
function workedAgain(t: ExecutionContext, outcomes: readonly CallOutcome[], killedAt: number, wellAt: number): void {
  const good = outcomes.filter((outcome) => outcome.at > killedAt && isWhole(outcome.report));
  // After the last one that was not.
  const lastBadAt = lastBadOf(outcomes, killedAt);
  const counts = { good: good.length, bad: outcomes.filter(({ report }) => !isWhole(report)).length };
  t.log(`all pushes are good from ${Math.round(lastBadAt - killedAt)} ms on, of ${JSON.stringify(counts)}`);
  t.true(lastBadAt < wellAt + GOOD_MS, `the last bad push was ${Math.round(lastBadAt - wellAt)} ms after all was well`);
  t.true(good.some(({ at }) => at > lastBadAt));
}

/** From now on no replica gets what is written to the primary. */
async function cutReplication(nodes: readonly RedisNode[], primary: RedisNode): Promise<() => Promise<void>> {
  const replicas = nodes.filter((node) => node !== primary && node.isLive);
  const setPassword = (password: string) =>
    Promise.all(replicas.map((node) => node.call("CONFIG", "SET", "masterauth", password)));
  await setPassword("wrong");
  await primary.call("CLIENT", "KILL", "TYPE", "replica");
  return async () => void (await setPassword(""));
}

/** The primary dies, and what was written to it for half a second dies with it. */
async function loseChanges({ nodes, primary, waitUntilOk }: FailingServers, world: TopologyWorld) {
  const restore = await cutReplication(nodes, primary);
  await sleep(500);
  // What is lost is not to be made up for by later changes.
  await world.stopChanging();
  const killedAt = monotonicMs();
  await primary.kill();
  await restore();
  await waitUntilOk();
  return { killedAt, wellAt: monotonicMs() };
}

test.serial("Cluster: a slot moves key by key under load, and nobody notices", async (t) => {
  const { servers, source } = await startCluster(t);
  const world = await TopologyWorld.begin(t, source);
  const target = await servers.primaryOf(16_000);

  // The slots of the first server that have keys.
  const slots = new PartitionedLayout("any").partitions.map(({ sids }) => keySlot(sids)).filter((slot) => slot < 5000);
  for (const slot of slots) await servers.moveSlot(slot, target);
  await servers.waitUntilOk();

  allWentWell(t, world, await end(t, world));
});

test.serial(
  "Cluster: slots are moved by redis-cli under load, to a server that has just joined, and nobody notices",
  async (t) => {
    const { servers, source } = await startCluster(t);
    const world = await TopologyWorld.begin(t, source);

    const joined = await servers.addPrimary();
    for (const slot of [0, 6000, 12_000]) await servers.moveSlots(await servers.primaryOf(slot), joined, 400);
    await servers.waitUntilOk();

    allWentWell(t, world, await end(t, world));
  },
);

for (const mode of MODES) {
  for (const cause of ["killed", "hangs"] as const) {
    test.serial(
      `${mode}: a primary ${cause === "killed" ? "is killed" : "hangs"}, a replica takes over, and pushes are good again soon, and add up`,
      async (t) => {
        const result = await failOver(t, { mode, cause, silentMs: SILENT_MS });

        t.log(JSON.stringify(result));
        t.like(result, { doNotAddUp: [], wrong: [] });
        // Where nothing is noticed nothing is tested.
        t.true(result.lastBadMs > 0);
        t.true(result.lastBadMs < result.takenOverMs + goodWithinMs(result));
        t.true(result.firstGoodMs < result.takenOverMs + goodWithinMs(result));
      },
    );
  }
}

for (const mode of MODES) {
  test.serial(`${mode}: what no replica has of a primary that is killed comes back from the frontends`, async (t) => {
    const servers = await startServers(t, mode, SILENT_MS);
    const world = await TopologyWorld.begin(t, servers.source);

    const { killedAt, wellAt } = await loseChanges(servers, world);

    workedAgain(t, await end(t, world), killedAt, wellAt);
  });
}

test.serial("Sentinel: without what the frontends know, what no replica has of a primary is lost", async (t) => {
  const servers = await startServers(t, "Sentinel", SILENT_MS);
  const { isBeforeLeave } = HeardLeaves.prototype;
  HeardLeaves.prototype.isBeforeLeave = () => false;
  t.teardown(() => (HeardLeaves.prototype.isBeforeLeave = isBeforeLeave));
  const world = await TopologyWorld.begin(t, servers.source, trusting);

  await loseChanges(servers, world);
  await world.stop();

  const wrong = await world.whatIsWrongInTheEnd();
  t.true(wrong.some((what) => what.endsWith("is lost")));
  t.true(wrong.some((what) => what.endsWith("is back")));
});

/** A cluster whose frontends are not told that the store may have lost something. */
function trusting(cluster: Cluster): Cluster {
  const { manager } = cluster;
  const watch = (sid: string, listener: ChangeListener) =>
    manager.watch!(sid, {
      change: (change) => listener.change(change),
      absent: (name, uids) => listener.absent?.(name, uids),
      gap: () => listener.gap?.({}),
    });
  return { ...cluster, manager: replacing(manager, { watch }) };
}
