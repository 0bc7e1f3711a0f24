import test, { type ExecutionContext } from "ava";
import { Cluster } from "ioredis";

import { belongingsOf, killAfterFirstLine, leftoversOf, type Belongings } from "./leftovers.js";
import { startRedisCluster, type ClusterOptions, type RedisCluster, type SlotMove } from "./redis-cluster.js";
import type { RedisNode } from "./redis-node.js";
import { waitUntilRight } from "./wait-until-right.js";

async function start(t: ExecutionContext, options?: ClusterOptions): Promise<RedisCluster> {
  const cluster = await startRedisCluster(options);
  t.teardown(() => cluster.stop());
  return cluster;
}

function connect(t: ExecutionContext, cluster: RedisCluster): Cluster {
  const client = new Cluster(cluster.startupNodes);
  client.on("error", () => {});
  t.teardown(() => client.disconnect());
  return client;
}

function replicationOf(node: RedisNode): Promise<Map<string, string>> {
  return node.info("INFO", "replication");
}

async function roleOf(node: RedisNode): Promise<string | undefined> {
  return (await replicationOf(node)).get("role");
}

/** A hash tag of slot 0, the first one that {@link RedisCluster.moveSlots} moves. */
const FIRST_TAG = "06S";

/** Keys of one slot, with a value each, and the slot. */
async function writeKeys(client: Cluster, tag: string, count: number) {
  const keys = Array.from({ length: count }, (_, i) => `{${tag}}:${i}`);
  await Promise.all(keys.map((key) => client.set(key, `value of ${key}`)));
  return { keys, values: keys.map((key) => `value of ${key}`), slot: await client.cluster("KEYSLOT", tag) };
}

test("startRedisCluster › starts 3 primaries and 3 replicas, on 127.0.0.1 only, that own all slots", async (t) => {
  const cluster = await start(t);
  const { nodes } = cluster;

  const roles = await Promise.all(nodes.map(roleOf));
  const slots = (await nodes[5]!.call("CLUSTER", "SLOTS")) as [number, number, ...[string, number][]][];

  t.is(roles.filter((role) => role === "master").length, 3);
  t.is(roles.filter((role) => role === "slave").length, 3);
  t.deepEqual(
    slots.map(([from, to]) => [from, to]).toSorted(([a], [b]) => a! - b!),
    [
      [0, 5460],
      [5461, 10_922],
      [10_923, 16_383],
    ],
  );
  for (const [, , ...ports] of slots) {
    t.deepEqual(
      ports.map(([, port]) => roles[nodes.findIndex((node) => node.port === port)]),
      ["master", "slave"],
    );
  }
  for (const node of nodes) t.deepEqual(await node.call("CONFIG", "GET", "bind"), ["bind", "127.0.0.1"]);
  t.deepEqual(
    cluster.startupNodes,
    nodes.map(({ port }) => ({ host: "127.0.0.1", port })),
  );
});

test("startRedisCluster › passes arguments on and names the ones that do not work", async (t) => {
  const cluster = await start(t, { replicas: 0, nodeTimeoutMs: 3000, args: ["--maxmemory", "8mb"] });
  const [node] = cluster.nodes;

  t.is(cluster.nodes.length, 3);
  t.deepEqual(await node!.call("CONFIG", "GET", "maxmemory"), ["maxmemory", String(8 * 1024 * 1024)]);
  t.deepEqual(await node!.call("CONFIG", "GET", "cluster-node-timeout"), ["cluster-node-timeout", "3000"]);
  await t.throwsAsync(startRedisCluster({ args: ["--nonsense"] }), { message: /--nonsense failed \(exit code/ });
  await t.throwsAsync(startRedisCluster({ primaries: 2 }), { message: /--cluster create .* failed[^]*at least 3/ });
});

test("killPrimaryOf › its replica takes over; started again, it comes back as the replica of that, in sync", async (t) => {
  const cluster = await start(t);
  const client = connect(t, cluster);
  const { keys, values, slot } = await writeKeys(client, "tag", 10);
  const primary = await cluster.primaryOf(slot);
  await primary.call("WAIT", 1, 10_000);

  const killed = await cluster.killPrimaryOf(slot);
  t.is(killed, primary);
  t.is(killed.pid, undefined);
  await cluster.waitUntilOk();

  const successor = await cluster.primaryOf(slot);
  t.not(successor, killed);
  t.deepEqual(await Promise.all(keys.map((key) => client.get(key))), values);

  await killed.start();
  await cluster.waitUntilOk();

  t.is(await cluster.primaryOf(slot), successor);
  const replication = await replicationOf(killed);
  t.is(replication.get("master_port"), String(successor.port));
  t.is(replication.get("master_link_status"), "up");
  t.is(await killed.call("CLUSTER", "COUNTKEYSINSLOT", slot), keys.length);
});

test("pause › the replica of a primary that hangs takes over; resumed, it becomes the replica of that", async (t) => {
  const cluster = await start(t);
  const paused = await cluster.primaryOf(0);

  paused.pause();
  t.false(paused.isLive);
  t.not(paused.pid, undefined);
  await cluster.waitUntilOk();
  const successor = await cluster.primaryOf(0);
  paused.resume();
  await cluster.waitUntilOk();

  t.not(successor, paused);
  t.is(await cluster.primaryOf(0), successor);
  t.is((await replicationOf(paused)).get("master_port"), String(successor.port));
});

test("primaryOf › rejects while no live node owns the slot", async (t) => {
  const cluster = await start(t, { replicas: 0 });

  const { port } = await cluster.killPrimaryOf(16_383);

  await t.throwsAsync(cluster.primaryOf(16_383), { message: "No live node owns slot 16383." });
  t.not((await cluster.primaryOf(0)).port, port);
});

test("moveSlot › moves a slot with its keys; in between, some are at the new owner and some at the old one", async (t) => {
  const cluster = await start(t, { replicas: 0 });
  const client = connect(t, cluster);
  const { keys, values, slot } = await writeKeys(client, "tag", 25);
  const from = await cluster.primaryOf(slot);
  const to = cluster.nodes.find((node) => node !== from)!;
  const moves: SlotMove[] = [];
  const found: unknown[][] = [];

  await cluster.moveSlot(slot, to, async (move) => {
    moves.push(move);
    t.is(await cluster.primaryOf(slot), from);
    found.push(await Promise.all(keys.map((key) => client.get(key))));
    // Which keys are elsewhere is told by the old owner, key by key.
    const asks = await Promise.all(keys.map((key) => from.call("GET", key).catch((error: Error) => error.message)));
    t.is(asks.filter((answer) => answer === `ASK ${slot} 127.0.0.1:${to.port}`).length, move.moved);
  });

  t.deepEqual(moves, [
    { moved: 0, left: 25 },
    { moved: 10, left: 15 },
    { moved: 20, left: 5 },
    { moved: 25, left: 0 },
  ]);
  for (const values2 of found) t.deepEqual(values2, values);
  t.is(await cluster.primaryOf(slot), to);
  await cluster.waitUntilOk();
  t.deepEqual(await Promise.all(keys.map((key) => client.get(key))), values);
  t.is(await to.call("CLUSTER", "COUNTKEYSINSLOT", slot), keys.length);
  t.is(await from.call("CLUSTER", "COUNTKEYSINSLOT", slot), 0);
});

test("addPrimary › joins an empty node, which moveSlots gives slots with their keys while they are used", async (t) => {
  const cluster = await start(t);
  const client = connect(t, cluster);
  const { keys, values, slot } = await writeKeys(client, FIRST_TAG, 25);

  const added = await cluster.addPrimary();
  t.is(cluster.nodes.length, 7);
  t.is(await roleOf(added), "master");
  t.is(await added.call("DBSIZE"), 0);
  for (const node of cluster.nodes) t.regex(String(await node.call("CLUSTER", "NODES")), new RegExp(`:${added.port}@`));

  const owner = await cluster.primaryOf(slot);
  const isMoved = async () => (await cluster.primaryOf(slot)) === added;
  let reads = 0;
  const reading = (async () => {
    while (!(await isMoved())) {
      t.deepEqual(await Promise.all(keys.map((key) => client.get(key))), values);
      reads++;
    }
  })();
  await Promise.all([cluster.moveSlots(owner, added, 100), reading]);
  await cluster.waitUntilOk();

  t.true(reads > 0);
  t.is(await cluster.primaryOf(slot), added);
  t.deepEqual(await Promise.all(keys.map((key) => client.get(key))), values);
});

test("flushAll › leaves no keys, wherever they are", async (t) => {
  const cluster = await start(t);
  const client = connect(t, cluster);
  const all = await Promise.all(["a", "b", "c", "d"].map((tag) => writeKeys(client, tag, 2)));

  await cluster.flushAll();

  for (const key of all.flatMap(({ keys }) => keys)) t.is(await client.get(key), null);
});

test("stop › leaves no process, no port and no folder, also of one that hangs; again: does nothing", async (t) => {
  const cluster = await start(t);
  const [first, second, ...others] = cluster.nodes;
  const belongings = await belongingsOf(cluster.nodes);
  const pids = cluster.nodes.map(({ pid }) => pid!);
  t.is((await leftoversOf(belongings)).length, 7);
  first!.pause();
  await second!.kill();

  await cluster.stop();
  await cluster.stop();

  t.deepEqual(await leftoversOf(belongings), []);
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  await t.throwsAsync(others[0]!.start(), { message: /data is gone/ });
});

test("a cluster dies with the process that started it, even if that is killed, and leaves no folder", async (t) => {
  const script = `
    const { startRedisCluster } = await import(${JSON.stringify(new URL("redis-cluster.ts", import.meta.url).href)});
    const { belongingsOf } = await import(${JSON.stringify(new URL("leftovers.ts", import.meta.url).href)});
    console.log(JSON.stringify(await belongingsOf((await startRedisCluster()).nodes)));`;

  const belongings = JSON.parse(await killAfterFirstLine(script)) as Belongings;

  t.is(belongings.ports.length, 6);
  await waitUntilRight(async () => (await leftoversOf(belongings)).join() || undefined, 10_000);
  t.pass();
});
