import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { Frontend, GlobalChannelService } from "../../src/index.js";
import { redis, RedisChannelManager, RedisConnection } from "../../src/redis/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { calls } from "../support/redis-calls.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";

// What is called for while Redis has not answered yet waits, and goes together.

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

/** A client by which Redis can be made slow. */
function connectClient(t: ExecutionContext): Redis {
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  return client;
}

async function startManager(t: ExecutionContext, prefix: string): Promise<RedisChannelManager> {
  const manager = new RedisChannelManager(new RedisConnection(server.url, { prefix }));
  await manager.start();
  t.teardown(() => manager.stop());
  return manager;
}

/** A service, and the one frontend of its cluster. */
async function startCluster(t: ExecutionContext, prefix: string) {
  const service = new GlobalChannelService({ cluster: redis(server.url, { prefix }) });
  await service.start();
  t.teardown(() => service.stop(true));
  const clients = new RecordingConnector();
  const cluster = redis(server.url, { prefix });
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster, connector: clients });
  await frontend.start();
  t.teardown(() => frontend.stop());
  return { service, clients };
}

test.serial("changes of many ticks are one script call", async (t) => {
  const manager = await startManager(t, "one");
  const client = connectClient(t);
  await manager.add("room", "first", "s1");
  const before = await calls(client, "evalsha");

  await client.call("CLIENT", "PAUSE", 300, "ALL");
  const added = [manager.add("room", "alone", "s1")];
  for (const n of numbers(20)) {
    await nextTurn();
    added.push(manager.add(`room-${n}`, "ann", "s1"));
  }

  t.true((await Promise.all(added)).every(Boolean));
  t.is((await calls(client, "evalsha")) - before, 2);
});

test.serial("a read does not wait with them: it sees all that was called for before it", async (t) => {
  const manager = await startManager(t, "two");
  const client = connectClient(t);

  await client.call("CLIENT", "PAUSE", 300, "ALL");
  const first = manager.add("room", "ann", "s1");
  await nextTurn();
  const second = manager.add("room", "bob", "s1");
  await nextTurn();

  t.deepEqual((await manager.getMembersBySid("room", "s1")).toSorted(), ["ann", "bob"]);
  t.deepEqual(await Promise.all([first, second]), [true, true]);
});

test.serial("pushes and changes keep the order of the calls", async (t) => {
  const { service, clients } = await startCluster(t, "three");
  const client = connectClient(t);
  await service.add("room", "ann", "s1");
  clients.connect("ann");

  await client.call("CLIENT", "PAUSE", 300, "ALL");
  const outcomes: Promise<unknown>[] = [];
  for (const n of numbers(10)) {
    outcomes.push(service.pushMessage("connector", "chat", n, "room"));
    await nextTurn();
    outcomes.push(service.leave("room", "ann", "s1"), service.pushMessage("connector", "chat", "missed", "room"));
    await nextTurn();
    outcomes.push(service.add("room", "ann", "s1"));
    await nextTurn();
  }
  await Promise.all(outcomes);

  await eventually(() => clients.received("ann").length === 10, 3000);
  t.deepEqual(
    clients.received("ann").map(({ msg }) => msg),
    numbers(10),
  );
});

test.serial("a push that waits until its deadline fails, and is not sent any more", async (t) => {
  const { service, clients } = await startCluster(t, "four");
  const client = connectClient(t);
  await service.add("room", "ann", "s1");
  clients.connect("ann");
  await service.pushMessage("connector", "chat", "warm-up", "room");

  await client.call("CLIENT", "PAUSE", 600, "ALL");
  const underWay = service.pushMessage("connector", "chat", "under way", "room", { timeoutMs: 5000 });
  await nextTurn();
  const waiting = service.pushMessage("connector", "chat", "too late", "room", { timeoutMs: 200 });

  await t.throwsAsync(waiting, { code: "GC_TIMEOUT" });
  t.is((await underWay).delivered, 1);
  await sleep(200);
  t.is((await service.pushMessage("connector", "chat", "last", "room")).delivered, 1);
  t.deepEqual(
    clients.received("ann").map(({ msg }) => msg),
    ["warm-up", "under way", "last"],
  );
});

test.serial("nothing waits for what an injected client keeps until it is connected again", async (t) => {
  const client = connectClient(t);
  const injected = new Redis(server.url);
  t.teardown(() => injected.disconnect());
  const manager = new RedisChannelManager(new RedisConnection(injected, { prefix: "six" }));
  await manager.start();
  t.teardown(() => manager.stop());
  await manager.add("room", "warm-up", "s1");

  await client.call("CLIENT", "PAUSE", 1000, "ALL");
  const underWay = manager.add("room", "ann", "s1");
  await nextTurn();
  const waiting = manager.add("room", "bob", "s1");
  await nextTurn();
  injected.disconnect(true);

  await t.throwsAsync(waiting, { code: "GC_STORE_UNAVAILABLE" });
  await t.throwsAsync(manager.add("room", "cid", "s1"), { code: "GC_STORE_UNAVAILABLE" });
  t.true(await underWay);
  t.true(await manager.add("room", "bob", "s1"));
});

test.serial("the more frontends there are, the fewer channels go into one script call", async (t) => {
  const { service } = await startCluster(t, "five");
  const client = connectClient(t);
  const sids = numbers(25).map((n) => `many-${n}`);
  for (const sid of sids) {
    const cluster = redis(server.url, { prefix: "five" });
    const clients = new RecordingConnector();
    const frontend = new Frontend({ sid, stype: "connector", cluster, connector: clients });
    await frontend.start();
    clients.connect("ann");
    t.teardown(() => frontend.stop());
  }
  const rooms = numbers(80).map((n) => `room-${n}`);
  await service.addMany(rooms.flatMap((name) => sids.map((sid) => ({ name, uid: "ann", sid }))));
  const pushToAll = () => Promise.all(rooms.map((name) => service.pushMessage("connector", "chat", 1, name)));
  await pushToAll();
  const before = await calls(client, "hmget");

  const reports = await pushToAll();

  t.true(reports.every(({ targeted }) => targeted === 25));
  // Each call of the script reads the leases once, and names 1,000 / 25 channels.
  t.is((await calls(client, "hmget")) - before, 2);

  await Promise.all(numbers(60).map((n) => service.pushMessage("connector", "chat", n, "room-7")));
  t.is((await calls(client, "hmget")) - before, 3, "many pushes to one channel are one call");
});
