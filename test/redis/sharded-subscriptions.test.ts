import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import keySlot from "cluster-key-slot";
import { Redis } from "ioredis";
import { RedisConnection } from "../../src/redis/index.js";
import { Subscription } from "../../src/redis/subscription.js";
import { eventually } from "../cluster/cluster.js";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.js";
import { errorsOf } from "../support/stage.js";

// Subscriptions in a Redis Cluster: they follow their slots, and none stays dead.

/** How long it may take until a subscription is missed that the server has forgotten, in milliseconds. */
const MISSED_MS = 7000;

let servers: RedisCluster;
test.before(async () => {
  servers = await startRedisCluster({ replicas: 0 });
});
test.after.always(() => servers?.stop());

/** What a process has that listens. */
async function open(t: ExecutionContext, { startupNodes } = servers) {
  const connection = new RedisConnection({ cluster: startupNodes });
  await connection.open();
  t.teardown(() => connection.close());
  const { subscriptions } = connection;
  const heard: string[] = [];
  const gaps: (readonly string[])[] = [];
  const losses: (readonly string[])[] = [];
  const listener = {
    message: (message: string) => void heard.push(message),
    lost: (names: readonly string[]) => void losses.push(names),
    gap: (names: readonly string[]) => void gaps.push(names),
  };
  return { connection, subscriptions, listener, heard, gaps, losses, errors: errorsOf(t, subscriptions) };
}

/** Channels of which every server has some. */
function channels(prefix: string): string[] {
  return Array.from({ length: 30 }, (_value, n) => `${prefix}-${n}`);
}

async function subscribedAt(node: RedisCluster["nodes"][number], prefix: string): Promise<string[]> {
  return (await node.call("PUBSUB", "SHARDCHANNELS", `${prefix}*`)) as string[];
}

test.serial("messages come by channels at every server, and after the end none is subscribed", async (t) => {
  const { connection, subscriptions, listener, heard } = await open(t);
  const names = channels("each");
  const unsubscribe = await subscriptions.subscribe(names, listener);

  const receivers = await Promise.all(names.map((name) => connection.publish(name, name)));
  t.deepEqual(new Set(receivers), new Set([1]));
  await Promise.all(names.map((name) => subscriptions.catchUp(name)));
  t.deepEqual(heard.toSorted(), names.toSorted());

  await unsubscribe();
  t.deepEqual(await Promise.all(servers.nodes.map((node) => subscribedAt(node, "each"))), [[], [], []]);
  t.deepEqual(new Set(await Promise.all(names.map((name) => connection.publish(name, name)))), new Set([0]));
});

test.serial("subscribing and ending it in quick succession leaves what was called for last", async (t) => {
  const { connection, subscriptions, listener, heard } = await open(t);
  const names = channels("quick");
  const ends: Promise<unknown>[] = [];
  for (let round = 0; round < 20; round++) {
    const subscribing = subscriptions.subscribe(names, listener);
    ends.push(subscribing.then((unsubscribe) => unsubscribe()));
    if (round % 3 === 0) await subscribing;
  }
  await Promise.all(ends);
  t.deepEqual(new Set(await Promise.all(names.map((name) => connection.publish(name, "none")))), new Set([0]));

  await subscriptions.subscribe(names, listener);
  t.deepEqual(new Set(await Promise.all(names.map((name) => connection.publish(name, "one")))), new Set([1]));
  await eventually(() => heard.filter((message) => message === "one").length === names.length, 3000);
  t.false(heard.includes("none"));
});

test.serial(
  "where connections break, each listener is told once, of its channels there, and hears again",
  async (t) => {
    const { connection, subscriptions, listener, heard, gaps, losses } = await open(t);
    const names = channels("broken");
    await subscriptions.subscribe(names, listener);
    const [node] = servers.nodes;
    const there = (await subscribedAt(node!, "broken")).toSorted();
    t.true(there.length > 0 && there.length < names.length);

    await node!.call("CLIENT", "KILL", "TYPE", "pubsub");
    await eventually(() => gaps.length > 0, 5000);

    t.deepEqual(
      losses.map((each) => each.toSorted()),
      [there],
    );
    await eventually(() => gaps.flat().length === there.length, 5000);
    t.deepEqual(gaps.flat().toSorted(), there);
    await Promise.all(names.map((name) => connection.publish(name, name)));
    await eventually(() => heard.length === names.length, 3000);
  },
);

test.serial(
  "a subscription follows its slot, its listener is told of the gap, and nothing is told twice",
  async (t) => {
    const { connection, subscriptions, listener, heard, gaps, errors } = await open(t);
    const name = "moving";
    await subscriptions.subscribe([name], listener);
    const from = await servers.primaryOf(keySlot(name));
    const to = servers.nodes.find((node) => node !== from)!;

    for (const [index, node] of [to, from, to, from].entries()) {
      await servers.moveSlot(keySlot(name), node);
      await eventually(() => gaps.length > index, 5000);
      await eventually(async () => (await connection.publish(name, `at ${index}`)) === 1, 5000);
      await eventually(() => heard.includes(`at ${index}`), 3000);
    }

    t.deepEqual(heard, [...new Set(heard)]);
    t.deepEqual(errors, []);
  },
);

test.serial(
  "a subscription whose slot nobody has for a while is lost until somebody has it, and made at once then",
  async (t) => {
    const { connection, subscriptions, listener, gaps, losses, errors } = await open(t);
    const name = "nowhere";
    await subscriptions.subscribe([name], listener);
    const slot = keySlot(name);
    const owner = await servers.primaryOf(slot);

    await owner.call("CLUSTER", "DELSLOTS", slot);
    await eventually(() => losses.length + gaps.length > 0, MISSED_MS);
    await sleep(500);
    t.deepEqual([losses, gaps], [[[name]], []]);

    await owner.call("CLUSTER", "ADDSLOTS", slot);
    await eventually(() => gaps.length > 0, 2000);
    await servers.waitUntilOk();
    t.is(await connection.publish(name, "heard"), 1);
    t.deepEqual([losses, gaps, errors], [[[name]], [[name]], []]);
  },
);

test.serial(
  "a subscription that the server has forgotten is made again, and its listener told of the gap",
  async (t) => {
    const clients = new Set<Redis>();
    const { ssubscribe } = Redis.prototype;
    Redis.prototype.ssubscribe = function (this: Redis, ...args: Parameters<typeof ssubscribe>) {
      clients.add(this);
      return ssubscribe.apply(this, args);
    } as typeof ssubscribe;
    t.teardown(() => (Redis.prototype.ssubscribe = ssubscribe));
    const { connection, subscriptions, listener, heard, gaps } = await open(t);
    const names = channels("forgotten");
    await subscriptions.subscribe(names, listener);

    // Behind the back of whoever keeps them.
    const [name] = names;
    for (const client of clients) await client.sunsubscribe(name!).catch(() => {});
    t.is(await connection.publish(name!, "lost"), 0);
    await eventually(() => gaps.flat().includes(name!), MISSED_MS);

    t.is(await connection.publish(name!, "heard"), 1);
    await eventually(() => heard.includes("heard"), 3000);
  },
);

test.serial("a subscription that nobody makes again is made again by the next look at the slots", async (t) => {
  const made = new Set<Subscription>();
  const { confirm } = Subscription.prototype;
  Subscription.prototype.confirm = function (this: Subscription) {
    made.add(this);
    confirm.call(this);
  };
  t.teardown(() => (Subscription.prototype.confirm = confirm));
  const { connection, subscriptions, listener, heard, gaps } = await open(t);
  await subscriptions.subscribe(["idle"], listener);

  // Behind the back of whoever makes them.
  for (const subscription of made) subscription.lose();
  await eventually(() => gaps.length > 0, MISSED_MS);

  t.deepEqual(gaps, [["idle"]]);
  t.true([...made].every(({ stands }) => stands));
  await connection.publish("idle", "heard");
  await eventually(() => heard.includes("heard"), 3000);
});

test.serial("a subscription follows at once where a replica takes over from a primary that lives", async (t) => {
  const own = await startRedisCluster();
  t.teardown(() => own.stop());
  const { connection, subscriptions, listener, heard, gaps } = await open(t, own);
  const name = "handed-over";
  await subscriptions.subscribe([name], listener);
  const primary = await own.primaryOf(keySlot(name));

  const successor = await own.handOver(keySlot(name));
  await eventually(async () => (await subscribedAt(successor, name)).length === 1, 1500);

  await eventually(async () => (await subscribedAt(primary, name)).length === 0, 1000);
  t.true(gaps.length > 0);
  await connection.publish(name, "heard");
  await eventually(() => heard.includes("heard"), 1000);
});

test.serial("closing while subscriptions are being made ends them, and keeps nothing alive", async (t) => {
  for (let round = 0; round < 5; round++) {
    const connection = new RedisConnection({ cluster: servers.startupNodes });
    await connection.open();
    const subscribing = connection.subscriptions.subscribe(channels("closing"), { message: () => {} });
    subscribing.catch(() => {});
    if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, round));
    await connection.close();
    await Promise.allSettled([subscribing]);
  }
  await eventually(
    async () => (await Promise.all(servers.nodes.map((node) => subscribedAt(node, "closing")))).flat().length === 0,
    3000,
  );
  t.pass();
});
