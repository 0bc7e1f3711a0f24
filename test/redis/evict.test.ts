import { randomUUID } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { RedisChannelManager, RedisConnection, RedisServerRegistry } from "../../src/redis/index.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";

// What `evict` of the Redis manager owes to the Redis registry: the conformance suite knows managers without one.

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

async function start(t: ExecutionContext, prefix = randomUUID() as string) {
  const connection = new RedisConnection(server.url, { prefix });
  const [manager, registry] = [new RedisChannelManager(connection), new RedisServerRegistry(connection)];
  await Promise.all([manager.start(), registry.start()]);
  t.teardown(() => Promise.all([manager.stop(), registry.stop()]));
  const frontend = (incarnation: string) => ({ sid: "s 1", incarnation, stype: "connector", holder: "test" });
  return { manager, registry, frontend };
}

test("a frontend that is live keeps its members and sessions, whoever takes it for dead", async (t) => {
  const { manager, registry, frontend } = await start(t);
  const live = frontend("host:1 ü");
  await registry.register(live, 5000);
  await registry.renew(live, 5000);
  await manager.add("room", "ann", live.sid);
  await manager.connect("ann", live.sid, live.incarnation);

  t.is(await manager.evict(live, "server-down"), 0);
  t.is(await manager.evict(frontend("host:0"), "server-down"), 0);

  t.deepEqual(await manager.getMembersBySid("room", live.sid), ["ann"]);
  t.deepEqual(await manager.getSessions(["ann"]), [[{ sid: live.sid, incarnation: live.incarnation }]]);
});

test("a frontend that is only reserved may evict what an earlier incarnation left, and its sessions go too", async (t) => {
  const { manager, registry, frontend } = await start(t);
  await manager.add("room", "ann", "s 1");
  await manager.connect("ann", "s 1", "host:0");
  const next = frontend("host:1");
  await registry.register(next, 5000);

  t.is(await manager.evict(next, "server-down"), 1);

  t.deepEqual(await manager.getMembersBySid("room", "s 1"), []);
  t.deepEqual(await manager.getSessions(["ann"]), [[]]);
  t.deepEqual(await manager.getServers(), []);
});

test("clean removes what has its prefix, and nothing of a longer one", async (t) => {
  const prefix = randomUUID();
  const { manager } = await start(t, prefix);
  const { manager: other } = await start(t, `${prefix}:test`);
  for (const store of [manager, other]) {
    await store.add("room", "ann", "s1");
    await store.connect("ann", "s1", "host:0");
  }

  await manager.clean();

  t.deepEqual(await manager.getMembersBySid("room", "s1"), []);
  t.deepEqual(await manager.getServers(), []);
  t.deepEqual(await other.getMembersBySid("room", "s1"), ["ann"]);
  t.deepEqual(await other.getSessions(["ann"]), [[{ sid: "s1", incarnation: "host:0" }]]);
});

test("of very many who were told to leave each one is left out, and each one who joins again counts again", async (t) => {
  const { manager } = await start(t);
  const members = Array.from({ length: 20_000 }, (_none, n) => ({ name: "room", uid: String(n), sid: "s 1" }));
  await manager.addMany(members);
  t.is(await manager.leaveMany(members), 20_000);

  t.is(await manager.addMany(members, "restored"), 0);
  t.is(await manager.addMany(members), 20_000);
  t.is(await manager.leaveMany(members, "disconnect"), 20_000);
  t.is(await manager.addMany(members, "restored"), 20_000);
});
