import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";

import { belongingsOf, killAfterFirstLine, leftoversOf, type Belongings } from "./leftovers.js";
import type { RedisNode } from "./redis-node.js";
import { startSentinel, type RedisSentinel, type SentinelOptions } from "./redis-sentinel.js";
import { waitUntilRight } from "./wait-until-right.js";

async function start(t: ExecutionContext, options?: SentinelOptions): Promise<RedisSentinel> {
  const sentinel = await startSentinel(options);
  t.teardown(() => sentinel.stop());
  return sentinel;
}

function connect(t: ExecutionContext, { sentinels, name }: RedisSentinel): Redis {
  const client = new Redis({ sentinels, name });
  client.on("error", () => {});
  t.teardown(() => client.disconnect());
  return client;
}

/** The port of its primary; undefined if it is one. */
async function primaryPortOf(node: RedisNode): Promise<number | undefined> {
  const port = (await node.info("INFO", "replication")).get("master_port");
  return port === undefined ? undefined : Number(port);
}

test("startSentinel › starts a primary with 2 replicas, on 127.0.0.1 only, and 3 Sentinels that know all", async (t) => {
  const sentinel = await start(t);
  const { nodes, sentinelNodes, name } = sentinel;
  const [primary, ...replicas] = nodes;

  t.is(await sentinel.primary(), primary!);
  t.deepEqual(await Promise.all(nodes.map(primaryPortOf)), [undefined, primary!.port, primary!.port]);
  t.is(replicas.length, 2);
  t.is(sentinelNodes.length, 3);
  t.deepEqual(
    sentinel.sentinels,
    sentinelNodes.map(({ port }) => ({ host: "127.0.0.1", port })),
  );
  for (const node of sentinelNodes) {
    const address = await node.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name);
    t.deepEqual(address, ["127.0.0.1", String(primary!.port)]);
    t.is(((await node.call("SENTINEL", "REPLICAS", name)) as unknown[]).length, 2);
    t.is(((await node.call("SENTINEL", "SENTINELS", name)) as unknown[]).length, 2);
  }
  for (const node of nodes) t.deepEqual(await node.call("CONFIG", "GET", "bind"), ["bind", "127.0.0.1"]);
});

test("startSentinel › passes arguments on and names the ones that do not work", async (t) => {
  const sentinel = await start(t, { replicas: 1, sentinels: 1, downAfterMs: 2000, args: ["--maxmemory", "8mb"] });
  const [primary] = sentinel.nodes;
  const [watcher] = sentinel.sentinelNodes;

  t.is(sentinel.nodes.length, 2);
  t.is(sentinel.sentinelNodes.length, 1);
  t.deepEqual(await primary!.call("CONFIG", "GET", "maxmemory"), ["maxmemory", String(8 * 1024 * 1024)]);
  const state = (await watcher!.call("SENTINEL", "MASTER", sentinel.name)) as string[];
  t.is(state[state.indexOf("down-after-milliseconds") + 1], "2000");
  await t.throwsAsync(startSentinel({ args: ["--nonsense"] }), { message: /--nonsense failed \(exit code/ });
});

test("killPrimary › another takes over; started again, the killed one comes back as its replica, in sync", async (t) => {
  const sentinel = await start(t);
  const client = connect(t, sentinel);
  await client.set("key", "value");
  await client.wait(2, 10_000);

  const killed = await sentinel.killPrimary();
  t.is(killed.pid, undefined);
  const successor = await sentinel.waitForFailover(killed.port);

  t.not(successor, killed);
  t.is(await sentinel.primary(), successor);
  t.is(await client.get("key"), "value");

  await killed.start();
  await sentinel.waitUntilOk();

  t.is(await sentinel.primary(), successor);
  t.is(await primaryPortOf(killed), successor.port);
  t.is(await killed.call("GET", "key"), "value");
});

test("pausePrimary › another takes over; resumed, the one that hung becomes its replica", async (t) => {
  const sentinel = await start(t);

  const paused = await sentinel.pausePrimary();
  t.false(paused.isLive);
  t.not(paused.pid, undefined);
  const successor = await sentinel.waitForFailover(paused.port);
  paused.resume();
  await sentinel.waitUntilOk();

  t.is(await sentinel.primary(), successor);
  t.is(await primaryPortOf(paused), successor.port);
});

test("failover › makes another the primary, and again", async (t) => {
  const sentinel = await start(t);

  for (let i = 0; i < 2; i++) {
    const before = await sentinel.primary();
    await sentinel.failover();
    const after = await sentinel.waitForFailover(before.port);

    t.not(after, before);
    t.is(await primaryPortOf(after), undefined);
  }
});

test("a Sentinel that was killed is not needed, and started again it knows all", async (t) => {
  const sentinel = await start(t);
  const [watcher] = sentinel.sentinelNodes;

  await watcher!.kill();
  const { port } = await sentinel.killPrimary();
  const successor = await sentinel.waitForFailover(port);
  await watcher!.start();
  await sentinel.waitUntilOk();

  const address = await watcher!.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel.name);
  t.deepEqual(address, ["127.0.0.1", String(successor.port)]);
});

test("stop › leaves no process, no port and no folder, also of one that hangs; again: does nothing", async (t) => {
  const sentinel = await start(t);
  const all = [...sentinel.nodes, ...sentinel.sentinelNodes];
  const belongings = await belongingsOf(all);
  const pids = all.map(({ pid }) => pid!);
  t.is((await leftoversOf(belongings)).length, 7);
  await sentinel.pausePrimary();
  await sentinel.sentinelNodes[0]!.kill();

  await sentinel.stop();
  await sentinel.stop();

  t.deepEqual(await leftoversOf(belongings), []);
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  await t.throwsAsync(all[1]!.start(), { message: /data is gone/ });
});

test("all die with the process that started them, even if that is killed, and leave no folder", async (t) => {
  const script = `
    const { startSentinel } = await import(${JSON.stringify(new URL("redis-sentinel.ts", import.meta.url).href)});
    const { belongingsOf } = await import(${JSON.stringify(new URL("leftovers.ts", import.meta.url).href)});
    const { nodes, sentinelNodes } = await startSentinel();
    console.log(JSON.stringify(await belongingsOf([...nodes, ...sentinelNodes])));`;

  const belongings = JSON.parse(await killAfterFirstLine(script)) as Belongings;

  t.is(belongings.ports.length, 6);
  await waitUntilRight(async () => (await leftoversOf(belongings)).join() || undefined, 10_000);
  t.pass();
});
