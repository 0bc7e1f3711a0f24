import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { Frontend, type Cluster, type GlobalChannelError, GlobalChannelService } from "../../src/index.js";
import { RedisChannelManager, RedisConnection, RedisServerRegistry, RedisTransport } from "../../src/redis/index.js";
import { Keys } from "../../src/redis/keys.js";
import type { Subscriptions } from "../../src/redis/subscriptions.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { calls } from "../support/redis-calls.js";
import { errorsOf } from "../support/stage.js";
import { startRedis } from "../support/redis-server.js";
import { startSubscriberProxy } from "./subscriber-proxy.js";

// Subscriptions that the server has lost while their connection is alive: a broken proxy, a fail-over behind a load balancer.

/** A few seconds for those with a frontend, a few more for a service alone. */
const REPAIRED_MS = 10_000;
const HANG_MS = 4000;
const keys = new Keys("gc", 0);

interface OwnCluster {
  connection: RedisConnection;
  transport: RedisTransport;
  parts: Cluster;
}

/** A cluster whose connection the test can see. */
function clusterAt(url: string): OwnCluster {
  const connection = new RedisConnection(url);
  const transport = new RedisTransport(connection);
  const manager = new RedisChannelManager(connection);
  const registry = new RedisServerRegistry(connection);
  return { connection, transport, parts: { manager, registry, transport } };
}

async function start(t: ExecutionContext) {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  const frontend = async (sid: string, { parts }: OwnCluster) => {
    const clients = new RecordingConnector();
    const started = new Frontend({ sid, stype: "connector", cluster: parts, connector: clients });
    t.teardown(() => started.stop());
    await started.start();
    return clients;
  };
  const service = async ({ parts }: OwnCluster) => {
    const started = new GlobalChannelService({ cluster: parts, timeoutMs: 500 });
    t.teardown(() => started.stop(true));
    await started.start();
    return started;
  };
  return { server, client, frontend, service };
}

/** A frontend s1 behind a proxy, with a session of ann, and a service that is not. */
async function startBehindProxy(t: ExecutionContext) {
  const { server, client, frontend, service } = await start(t);
  const proxy = await startSubscriberProxy(t, server.port);
  const cluster = clusterAt(proxy.url);
  const clients = await frontend("s1", cluster);
  const backend = await service(clusterAt(server.url));
  clients.connect("ann");
  return { server, client, proxy, cluster, backend, frontend, service };
}

async function isDelivered(service: GlobalChannelService, name: string): Promise<boolean> {
  const report = await service.pushMessage("connector", "chat", 1, name).catch((error: GlobalChannelError) => error);
  return "delivered" in report && report.delivered === 1;
}

/** Which connections have subscriptions, as Redis counts connections. */
async function subscribers(client: Redis): Promise<string[]> {
  const list = (await client.client("LIST", "TYPE", "PUBSUB")) as string;
  return [...list.matchAll(/^id=(\d+)/gm)].map((match) => match[1]!);
}

test("a frontend whose inbox Redis has forgotten gets pushes again, and tells of it", async (t) => {
  const { client, proxy, cluster, backend } = await startBehindProxy(t);
  const inbox = keys.inbox("s1");
  const deaths = errorsOf(t, cluster.connection.subscriptions) as GlobalChannelError[];
  await backend.add("room", "ann", "s1");
  t.true(await isDelivered(backend, "room"));

  t.is(await proxy.unsubscribe("UNSUBSCRIBE", inbox), 1);

  t.deepEqual(await client.pubsub("NUMSUB", inbox), [inbox, 0]);
  await t.notThrowsAsync(eventually(() => isDelivered(backend, "room"), REPAIRED_MS));
  t.deepEqual(
    deaths.map(({ code, temporary, message }) => ({ code, temporary, isNamed: message.includes(inbox) })),
    [{ code: "GC_STORE_UNAVAILABLE", temporary: true, isNamed: true }],
  );
});

test("a service whose replies Redis has forgotten gets answers again", async (t) => {
  const { server, proxy: _, ...others } = await startBehindProxy(t);
  const proxy = await startSubscriberProxy(t, server.port);
  const cluster = clusterAt(proxy.url);
  const backend = await others.service(cluster);
  await backend.add("room", "ann", "s1");

  t.is(await proxy.unsubscribe("UNSUBSCRIBE", keys.replies(cluster.transport.id)), 1);

  t.false(await isDelivered(backend, "room"));
  await t.notThrowsAsync(eventually(() => isDelivered(backend, "room"), REPAIRED_MS));
});

test("a frontend whose changes Redis has forgotten learns what it missed", async (t) => {
  const { proxy, backend } = await startBehindProxy(t);
  await eventually(async () => (await backend.getSids("ann")).length === 1, REPAIRED_MS);

  t.is(await proxy.unsubscribe("UNSUBSCRIBE", keys.changes("s1")), 1);
  await backend.add("room", "ann", "s1");

  t.deepEqual(await backend.getChannels("ann"), []);
  await t.notThrowsAsync(eventually(async () => (await backend.getChannels("ann")).length === 1, REPAIRED_MS));
});

test("a service whose pattern Redis has forgotten hears of joins again", async (t) => {
  const { server, client, backend, service } = await startBehindProxy(t);
  const proxy = await startSubscriberProxy(t, server.port);
  const listening = await service(clusterAt(proxy.url));
  const joined: number[] = [];
  listening.on("join", ({ uid }) => joined.push(Number(uid)));
  let added = 0;
  /** Whether a join from this one on is heard: of those so far, and one more. */
  const isHeard = async (first: number): Promise<boolean> => {
    await backend.add("room", String(added++), "s1");
    return joined.some((uid) => uid >= first);
  };
  await eventually(() => isHeard(0), REPAIRED_MS);

  t.is(await proxy.unsubscribe("PUNSUBSCRIBE", keys.allChanges), 1);

  const first = added;
  t.is(await client.call("PUBSUB", "NUMPAT"), 0);
  await t.notThrowsAsync(eventually(() => isHeard(first), REPAIRED_MS));
});

test("without probes an inbox that Redis has forgotten stays dead", async (t) => {
  const { proxy, cluster, backend, frontend, server } = await startBehindProxy(t);
  const other = await startSubscriberProxy(t, server.port);
  (await frontend("s2", clusterAt(other.url))).connect("bob");
  await backend.add("room-1", "ann", "s1");
  await backend.add("room-2", "bob", "s2");
  cluster.connection.subscriptions.carryProbe = (send) => send([]);

  await proxy.unsubscribe("UNSUBSCRIBE", keys.inbox("s1"));
  // That of another frontend, lost later, has been repaired twice: time enough.
  for (let round = 0; round < 2; round++) {
    await other.unsubscribe("UNSUBSCRIBE", keys.inbox("s2"));
    await eventually(() => isDelivered(backend, "room-2"), REPAIRED_MS);
  }

  t.false(await isDelivered(backend, "room-1"));
});

test.serial("an event loop that is blocked while a probe is on its way gives no new connection", async (t) => {
  const { server, client, frontend } = await start(t);
  const cluster = clusterAt(server.url);
  await frontend("s1", cluster);
  const deaths = errorsOf(t, cluster.connection.subscriptions);
  const before = await subscribers(client);
  const { subscriptions } = cluster.connection;
  const carry: Subscriptions["carryProbe"] = subscriptions.carryProbe.bind(subscriptions);
  let blocked = 0;
  subscriptions.carryProbe = (send) =>
    carry((probe) => {
      // What is sent is answered, and the probe comes, while nobody can look.
      if (probe.length > 0 && blocked++ === 0) setImmediate(block, HANG_MS);
      return send(probe);
    });

  await eventually(() => blocked >= 3, REPAIRED_MS + HANG_MS);

  t.deepEqual(deaths, []);
  t.deepEqual(await subscribers(client), before);
});

test("a Redis that hangs is given no new connection for subscriptions", async (t) => {
  const { server, client, frontend } = await start(t);
  const cluster = clusterAt(server.url);
  await frontend("s1", cluster);
  const deaths = errorsOf(t, cluster.connection.subscriptions);
  const before = await subscribers(client);

  process.kill(server.pid!, "SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, HANG_MS));
  process.kill(server.pid!, "SIGCONT");
  const published = await calls(client, "publish");
  await eventually(async () => (await calls(client, "publish")) >= published + 6, REPAIRED_MS);

  t.deepEqual(deaths, []);
  t.deepEqual(await subscribers(client), before);
});

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test("subscriptions that Redis refuses are asked for again in peace, and made once it lets them", async (t) => {
  const { server, client, frontend, service } = await start(t);
  await client.acl("SETUSER", "app", "on", ">secret", "~*", "&*", "+@all");
  const url = new URL(server.url);
  Object.assign(url, { username: "app", password: "secret" });
  const cluster = clusterAt(String(url));
  const clients = await frontend("s1", cluster);
  const backend = await service(clusterAt(server.url));
  const refusals = errorsOf(t, cluster.connection.subscriptions);
  clients.connect("ann");
  await backend.add("room", "ann", "s1");

  // Redis closes the connections of those who may not be subscribed any more.
  await client.acl("SETUSER", "app", "resetchannels");
  await eventually(() => refusals.length > 0, 3000);
  await sleep(2500);
  const refused = refusals.length;
  await client.acl("SETUSER", "app", "&*");

  t.regex(refusals[0]!.message, /NOPERM/);
  t.true(refused >= 2 && refused <= 5, `${refused} in 2.5 s`);
  await t.notThrowsAsync(eventually(() => isDelivered(backend, "room"), REPAIRED_MS));
});
