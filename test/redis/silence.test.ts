import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import keySlot from "cluster-key-slot";
import { Redis } from "ioredis";
import { type ChannelManager, Frontend, GlobalChannelService, type GlobalChannelError } from "../../src/index.js";
import { redis, RedisChannelManager, RedisConnection } from "../../src/redis/index.js";
import { ClusterLink } from "../../src/redis/cluster-link.js";
import { SilenceWatch } from "../../src/redis/silence-watch.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { pause } from "../support/pause.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { startRedisCluster } from "../support/redis-cluster.js";
import { startRedis } from "../support/redis-server.js";
import { startSubscriberProxy } from "./subscriber-proxy.js";

// Connections that nobody closes and that nothing comes through any more: a Redis that hangs, a firewall that has forgotten.

/** Long enough for whatever notices a dead connection, far less than what TCP takes. */
const NOTICED_MS = 15_000;

async function startServer(t: ExecutionContext) {
  const server = await startRedis();
  t.teardown(() => server.stop());
  return server;
}

/** Whether a call settles in time. */
function settles(call: Promise<unknown>, withinMs: number): Promise<boolean> {
  const settled = call.then(
    () => true,
    () => true,
  );
  return Promise.race([settled, sleep(withinMs, false)]);
}

test("a frontend whose subscriptions have fallen silent gets pushes again", async (t) => {
  const server = await startServer(t);
  const { url, silenceSubscribers } = await startSubscriberProxy(t, server.port);
  const clients = new RecordingConnector();
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster: redis(url), connector: clients });
  await frontend.start();
  const service = new GlobalChannelService({ cluster: redis(server.url), timeoutMs: 500 });
  t.teardown(() => service.stop(true));
  await service.start();
  clients.connect("ann");
  await service.add("room", "ann", "s1");
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);

  silenceSubscribers();

  await t.notThrowsAsync(
    eventually(async () => (await service.pushMessage("connector", "chat", 2, "room")).delivered === 1, NOTICED_MS),
  );
  t.true(await settles(frontend.stop(), NOTICED_MS));
});

test("a service whose subscriptions have fallen silent gets answers again", async (t) => {
  const server = await startServer(t);
  const { url, silenceSubscribers } = await startSubscriberProxy(t, server.port);
  const clients = new RecordingConnector();
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster: redis(server.url), connector: clients });
  t.teardown(() => frontend.stop());
  await frontend.start();
  const service = new GlobalChannelService({ cluster: redis(url), timeoutMs: 500 });
  await service.start();
  clients.connect("ann");
  await service.add("room", "ann", "s1");

  silenceSubscribers();

  await t.notThrowsAsync(
    eventually(async () => (await service.pushMessage("connector", "chat", 2, "room")).delivered === 1, NOTICED_MS),
  );
  t.true(await settles(service.stop(true), NOTICED_MS));
});

test("a push ends at its deadline also where Redis hangs", async (t) => {
  const server = await startServer(t);
  const service = new GlobalChannelService({ cluster: redis(server.url), timeoutMs: 300 });
  t.teardown(() => service.stop(true));
  await service.start();
  process.kill(server.pid!, "SIGSTOP");
  t.teardown(() => process.kill(server.pid!, "SIGCONT"));

  const startedAt = performance.now();
  const error = (await t.throwsAsync(service.pushMessage("connector", "chat", 1, "room"))) as GlobalChannelError;
  const tookMs = performance.now() - startedAt;

  t.true(error.temporary, error.message);
  t.true(tookMs < 500, `${tookMs} ms`);
});

test("what Redis answers after the deadline of a push harms nobody", async (t) => {
  const server = await startServer(t);
  const clients = new RecordingConnector();
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster: redis(server.url), connector: clients });
  t.teardown(() => frontend.stop());
  await frontend.start();
  const service = new GlobalChannelService({ cluster: redis(server.url), timeoutMs: 200 });
  t.teardown(() => service.stop(true));
  await service.start();
  clients.connect("ann");
  await service.add("room", "ann", "s1");

  process.kill(server.pid!, "SIGSTOP");
  const push = service.pushMessage("connector", "chat", 1, "room");
  await settles(push, 1000);
  process.kill(server.pid!, "SIGCONT");
  const error = (await t.throwsAsync(push)) as GlobalChannelError;

  // AVA fails a file in which a promise is rejected that nobody handles.
  await eventually(async () => (await service.pushMessage("connector", "chat", 2, "room")).delivered === 1, 5000);
  t.true(error.temporary, error.message);
  // Nobody knows at the deadline whether Redis will still do it, so that the error must not say that nothing was sent.
  const wasSent = clients.received("ann").some(({ msg }) => msg === 1);
  t.false(wasSent && /nothing was sent/.test(error.message), error.message);
});

test("a service and a frontend can be stopped while Redis hangs", async (t) => {
  const server = await startServer(t);
  const connector = new RecordingConnector();
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster: redis(server.url), connector });
  const service = new GlobalChannelService({ cluster: redis(server.url) });
  await Promise.all([service.start(), frontend.start()]);
  process.kill(server.pid!, "SIGSTOP");
  t.teardown(() => process.kill(server.pid!, "SIGCONT"));

  const stopped = await Promise.all([settles(service.stop(true), NOTICED_MS), settles(frontend.stop(), NOTICED_MS)]);

  t.deepEqual(stopped, [true, true]);
});

test("calls to a Redis that hangs fail within 1 s, and go on when it does", async (t) => {
  const server = await startServer(t);
  const { manager } = redis(server.url);
  await manager.start?.();
  t.teardown(() => manager.stop?.());

  const over = pause(server.pid!, 2500);
  await sleep(200);
  const begun = performance.now();
  const error = await t.throwsAsync<GlobalChannelError>(async () => manager.add("room", "ann", "s1"));
  const tookMs = performance.now() - begun;

  t.like(error, { code: "GC_STORE_UNAVAILABLE", temporary: true });
  t.true(tookMs < 1500, `${tookMs}`);
  await over;
  await t.notThrowsAsync(eventually(async () => isAdded(manager), 3000));
});

test("writes to a server of a cluster that hangs fail together; none waits for it anew behind the first", async (t) => {
  // The others do not take it for dead.
  const servers = await startRedisCluster({ replicas: 0, nodeTimeoutMs: 60_000 });
  t.teardown(() => servers.stop());
  const connection = new RedisConnection({ cluster: servers.startupNodes });
  const manager = new RedisChannelManager(connection);
  await manager.start();
  t.teardown(() => manager.stop());
  await manager.add("room", "ann", "s1");
  const write = () => manager.destroyChannel("room").then(String, (error: GlobalChannelError) => error);

  const server = await servers.primaryOf(keySlot(connection.layout.of("room").sids));
  server.pause();
  const [first, ...others] = await Promise.all(numbers(5).map(write));
  const later = await write();
  server.resume();

  t.like(first, { code: "GC_STORE_UNAVAILABLE", temporary: true });
  // Each that is sent fails with an error of its own.
  t.true(others.every((error) => error === first));
  t.like(later, { code: "GC_STORE_UNAVAILABLE" });
  t.not(later, first, "what is called for after that is tried");
  await t.notThrowsAsync(eventually(async () => isAdded(manager), 5000));
});

/** Whether a call is answered. */
async function isAdded(manager: ChannelManager): Promise<boolean> {
  try {
    return await manager.add("room", "ben", "s1");
  } catch {
    return false;
  }
}

test.serial("each connection for commands to a cluster is watched while it lives, and no longer", async (t) => {
  const servers = await startRedisCluster({ replicas: 0 });
  t.teardown(() => servers.stop());
  const looks = new Set<SilenceWatch>();
  const { check } = SilenceWatch.prototype;
  SilenceWatch.prototype.check = function (this: SilenceWatch) {
    looks.add(this);
    check.call(this);
  };
  t.teardown(() => (SilenceWatch.prototype.check = check));
  const watches = async (): Promise<number> => {
    looks.clear();
    await sleep(200);
    return looks.size;
  };
  const link = new ClusterLink({ cluster: servers.startupNodes });
  await link.open();
  t.teardown(() => link.close());
  t.is(await watches(), 3);

  // As where a server has no slots for a moment, and where it sends a command to itself.
  const pool = link.client["connectionPool"];
  const [first, ...others] = link.client.nodes().map(({ options: { host, port } }) => ({ host, port }));
  pool.reset(others);
  pool.findOrCreate(first);
  pool.recreate(others[0]);

  await sleep(300);
  t.is(await watches(), 3);
  await link.close();
  t.is(await watches(), 0);
});

// Serial: it keeps the others from their time, too.
test.serial("those of a process that was busy itself do not fail", async (t) => {
  const server = await startServer(t);
  const { manager } = redis(server.url);
  await manager.start?.();
  t.teardown(() => manager.stop?.());

  process.kill(server.pid!, "SIGSTOP");
  t.teardown(() => process.kill(server.pid!, "SIGCONT"));
  const adding = manager.add("room", "ann", "s1");
  await sleep(400);
  // After immediates come timers, and only then what is to be read.
  await nextTurn();
  process.kill(server.pid!, "SIGCONT");
  for (const endAt = performance.now() + 1200; performance.now() < endAt;);

  t.true(await adding);
});

test("a client of the application's own, and a time limit of its own, stay as they are", async (t) => {
  const server = await startServer(t);
  const injected = new Redis(server.url);
  t.teardown(() => injected.disconnect());
  const own = { host: server.host, port: server.port, socketTimeout: 10_000 };
  for (const cluster of [redis(injected), redis(own)]) {
    await cluster.manager.start?.();
    t.teardown(() => cluster.manager.stop?.());

    const over = pause(server.pid!, 2000);
    await sleep(200);
    t.true(await cluster.manager.add("room", "ann", `s${server.port}`));
    await over;
    await cluster.manager.leave("room", "ann", `s${server.port}`);
  }
});
