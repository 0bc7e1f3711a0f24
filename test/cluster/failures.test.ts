import { Redis } from "ioredis";
import test from "ava";
import { connectClients, eventually, memberships, startCluster } from "./cluster.js";
import { addsUp } from "./outcome.js";

test("SIGKILL of a frontend during pushes: every report adds up, its members are counted no more, and none stays", async (t) => {
  const { redis, frontends, backends } = await startCluster(t, { backends: 3, leaseMs: 1000, graceMs: 1000 });
  const clients = await connectClients(t, frontends, 50);
  const [backend, ...others] = backends;
  await backend!.call("addMany", [...memberships("room", clients), ...memberships("hall", clients)]);
  const [victim, ...survivors] = frontends;
  const dead = clients.filter(({ sid }) => sid === victim!.sid);
  const alive = clients.filter(({ sid }) => sid !== victim!.sid);

  await backend!.call("startLoad", "room", 2);
  await eventually(() => clients.every((client) => client.of("load").length > 20), 5000);
  await victim!.process.kill();
  const killedAt = performance.now();
  await eventually(async () => (await backend!.call("count", "room")) === alive.length, 3000);
  const noticedMs = performance.now() - killedAt;
  const outcomes = await backend!.call("stopLoad", "room");

  t.true(noticedMs < 3000, `noticed after ${noticedMs} ms`);
  t.deepEqual(
    outcomes.filter((outcome) => !addsUp(outcome)),
    [],
  );
  t.true(
    outcomes.some(({ report }) => report && report.failed + report.unknown === dead.length),
    "some pushes met the dead frontend",
  );
  const last = await backend!.call("push", "after", 1, "room");
  t.like(last.report, { targeted: alive.length, delivered: alive.length, failed: 0, unknown: 0 });
  for (const client of alive) {
    t.deepEqual(client.of("load"), [...outcomes.keys()], `${client.uid} misses nothing`);
  }

  // After the grace nothing is left of it, and each of its memberships has given one leave event, at each service.
  const connection = new Redis(redis.url);
  t.teardown(() => connection.disconnect());
  await eventually(async () => (await connection.keys(`*${victim!.sid}*`)).length === 0, 5000);
  t.is(await connection.hget("gc:servers", victim!.sid), null);
  t.deepEqual((await connection.smembers("gc:sids")).toSorted(), survivors.map(({ sid }) => sid).toSorted());
  const expected = dead
    .flatMap(({ uid, sid }) => ["hall", "room"].map((name) => `${name} ${uid} ${sid} server-down`))
    .toSorted();
  for (const observer of [backend!, ...others]) {
    await eventually(async () => (await observer.call("leaves")).length >= expected.length, 2000);
    const events = await observer.call("leaves");
    t.deepEqual(events.map(({ name, uid, sid, reason }) => `${name} ${uid} ${sid} ${reason}`).toSorted(), expected);
  }
});

test("a killed frontend that is started again leaves no ghost, and hurts nobody else", async (t) => {
  const { frontends, backends, startFrontend } = await startCluster(t, { leaseMs: 1000, graceMs: 10_000 });
  const clients = await connectClients(t, frontends, 20);
  const [backend] = backends;
  await backend!.call("addMany", memberships("room", clients));
  const alive = clients.filter(({ sid }) => sid !== "connector-1");

  await frontends[0]!.process.kill();
  const again = await startFrontend({ sid: "connector-1" });
  const afterRestart = await backend!.call("push", "chat", 1, "room");
  const [back] = await connectClients(t, [again], 1);
  await backend!.call("addMany", memberships("room", [back!]));
  const afterReturn = await backend!.call("push", "chat", 2, "room");

  t.like(afterRestart.report, { targeted: alive.length, delivered: alive.length, failed: 0, unknown: 0 });
  t.like(afterReturn.report, { targeted: alive.length + 1, delivered: alive.length + 1, failed: 0, unknown: 0 });
  await eventually(() => back!.of("chat").length === 1, 2000);
  t.deepEqual(back!.of("chat"), [2]);
});

test("a second frontend with the sid of a live one is refused, and the error names the holder", async (t) => {
  const { frontends, startFrontend } = await startCluster(t, { frontends: 1, backends: 0, leaseMs: 500 });

  const error = await t.throwsAsync(startFrontend({ sid: frontends[0]!.sid }));

  t.like(error, { code: "GC_SID_IN_USE" });
  t.regex(error.message, new RegExp(`pid ${frontends[0]!.process.pid} on `));
});

test("a frontend that stops takes its members out, each with a leave event, and no push misses anyone", async (t) => {
  const { frontends, backends } = await startCluster(t, { frontends: 2 });
  const clients = await connectClients(t, frontends, 20);
  const [backend] = backends;
  await backend!.call("addMany", memberships("room", clients));

  await backend!.call("startLoad", "room", 2);
  await eventually(() => clients.every((client) => client.of("load").length > 10), 5000);
  await frontends[0]!.process.call("stop");
  const outcomes = await backend!.call("stopLoad", "room");

  t.deepEqual(
    outcomes.filter((outcome) => !addsUp(outcome)),
    [],
  );
  t.is(await backend!.call("count", "room"), 20);
  const left = await backend!.call("leaves");
  t.deepEqual(
    left.map(({ uid, reason }) => `${uid} ${reason}`).toSorted(),
    clients
      .filter(({ sid }) => sid === "connector-1")
      .map(({ uid }) => `${uid} disconnect`)
      .toSorted(),
  );
});

test("FLUSHALL: within 5 seconds every member is back, and every push complete again", async (t) => {
  const { redis, frontends, backends } = await startCluster(t, { leaseMs: 3000, graceMs: 10_000 });
  const clients = await connectClients(t, frontends, 50);
  const [backend] = backends;
  await backend!.call("addMany", [...memberships("room", clients), ...memberships("hall", clients)]);
  const connection = new Redis(redis.url);
  t.teardown(() => connection.disconnect());

  await connection.flushall();

  await eventually(async () => (await backend!.call("count", "room")) === clients.length, 5000);
  await eventually(async () => (await backend!.call("count", "hall")) === clients.length, 1000);
  t.deepEqual(await backend!.call("sids", clients[0]!.uid), [clients[0]!.sid]);
  t.like((await backend!.call("push", "chat", 1, "room")).report, {
    targeted: clients.length,
    delivered: clients.length,
  });
});

test("Redis stopped for 5 seconds under load: nothing crashes, calls fail fast, and work goes on by itself", async (t) => {
  const { redis, frontends, backends } = await startCluster(t, { leaseMs: 1000 });
  const clients = await connectClients(t, frontends, 30);
  const [backend] = backends;
  await backend!.call("addMany", memberships("room", clients));
  await backend!.call("startLoad", "room", 2);
  await eventually(() => clients.every((client) => client.of("load").length > 20), 5000);
  const heapBefore = await backend!.call("memory");

  await redis.stop();
  const stoppedAt = performance.now();
  // A client that goes and one that comes while Redis is away: both must be right when it is back.
  await clients[0]!.close();
  const [late] = await connectClients(t, [{ ...frontends[1]!, sid: "late" }], 1);
  const add = await backend!.call("tryAdd", "room", "somebody", "connector-1");
  await new Promise((resolve) => setTimeout(resolve, 5000 - (performance.now() - stoppedAt)));
  await redis.restart();
  const restartedAt = performance.now();
  await eventually(async () => (await backend!.call("count", "room")) === clients.length - 1, 5000);
  const healedMs = performance.now() - restartedAt;
  const heapAfter = await backend!.call("memory");
  const outcomes = await backend!.call("stopLoad", "room");

  t.log(`healed ${Math.round(healedMs)} ms after Redis was back; ${outcomes.length} pushes`);
  t.like(add.error, { code: "GC_STORE_UNAVAILABLE", temporary: true });
  t.true(add.ms < 1000, `add failed after ${add.ms} ms`);
  t.deepEqual(
    outcomes.filter((outcome) => !addsUp(outcome)),
    [],
  );
  // One that was sent just before waits for its answer until its deadline.
  const refused = outcomes.filter(({ error }) => error && !error.report);
  t.true(refused.length > 500, `${refused.length} pushes were refused`);
  t.deepEqual(
    refused.filter(({ error, ms }) => !error!.temporary || ms > 1000),
    [],
  );
  t.true(heapAfter - heapBefore < 20e6, `the heap grew by ${heapAfter - heapBefore} bytes`);
  t.deepEqual(await backend!.call("sids", late!.uid), ["connector-2"]);
  const { report } = await backend!.call("push", "after", 1, "room");
  t.like(report, { targeted: clients.length - 1, delivered: clients.length - 1, failed: 0, unknown: 0 });
});
