import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Frontend, GlobalChannelService } from "../../src/index.js";
import { redis, RedisChannelManager, RedisConnection } from "../../src/redis/index.js";
import { eventually } from "../cluster/cluster.js";
import { startOneNodeCluster } from "../support/one-node-cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { CLIENTS, CLUSTER_CLIENTS, type TestClient } from "../support/redis-clients.js";
import { startRedis } from "../support/redis-server.js";
import { TcpProxy } from "../support/tcp-proxy.js";

/** Makes a client as an application does, and what it connects to. */
type Inject = (t: ExecutionContext) => Promise<TestClient>;

const injects = new Map<string, Inject>();

for (const [kind, makeClient] of Object.entries(CLIENTS)) {
  injects.set(kind, async (t) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    const client = makeClient({ host: server.host, port: server.port, db: 3 });
    t.teardown(() => client.disconnect());
    return client;
  });
}
for (const [kind, makeClient] of Object.entries(CLUSTER_CLIENTS)) {
  injects.set(`${kind} for a cluster`, async (t) => {
    const { nodes, redisOptions } = await startOneNodeCluster(t);
    const client = makeClient(nodes, redisOptions);
    t.teardown(() => client.disconnect());
    return client;
  });
}

/** Starts a service. */
async function serve(t: ExecutionContext, client: TestClient): Promise<GlobalChannelService> {
  const service = new GlobalChannelService({ cluster: redis(client) });
  await service.start();
  t.teardown(() => service.stop(true));
  return service;
}

for (const [kind, inject] of injects) {
  test(`an injected client of ${kind} is used, and is left as it was`, async (t) => {
    const client = await inject(t);
    const listeners = () => ["ready", "close", "end", "error", "refresh"].map((event) => client.listenerCount(event));
    await client.ping();
    const before = listeners();

    const service = await serve(t, client);
    t.true(await service.add("room", "ann", "s1"));
    t.false(await service.add("room", "ann", "s1"));
    await service.stop();

    t.is(client.status, "ready");
    t.is(await client.ping(), "PONG");
    t.deepEqual(listeners(), before);
    const list = async () =>
      String(await client.call("CLIENT", "LIST"))
        .trim()
        .split("\n");
    await eventually(async () => (await list()).length === 1, 3000);
  });

  test(`pushes go through an injected client of ${kind}`, async (t) => {
    const client = await inject(t);
    const connector = new RecordingConnector();
    const frontend = new Frontend({ sid: "s1", stype: "connector", cluster: redis(client), connector });
    await frontend.start();
    t.teardown(() => frontend.stop());
    const service = await serve(t, client);
    connector.connect("ann");
    await service.add("room", "ann", "s1");

    const { delivered } = await service.pushMessage("connector", "chat", "hello", ["room"]);

    t.is(delivered, 1);
    t.deepEqual(connector.received("ann"), [{ route: "chat", msg: "hello" }]);
  });

  test(`what Redis refuses by an injected client of ${kind} is an error of the store`, async (t) => {
    const client = await inject(t);
    const connection = new RedisConnection(client);
    const manager = new RedisChannelManager(connection);
    await manager.start();
    t.teardown(() => manager.stop());
    await client.call("SET", connection.layout.of("room").sets("room"), "no hash");

    const refused = [manager.getMemberSets("room"), manager.findMember("room", "ann"), manager.destroyChannel("room")];

    for (const call of refused) {
      const error = await t.throwsAsync(call);
      t.like(error, { code: "GC_STORE_ERROR", temporary: false });
      t.regex(error.message, /WRONGTYPE/);
    }
  });
}

for (const [kind, makeClient] of Object.entries(CLIENTS)) {
  test(`a start does not wait for an injected client of ${kind} by which nothing comes`, async (t) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    const proxy = await TcpProxy.start(server.port);
    t.teardown(() => proxy.stop());
    const client = makeClient({ host: "127.0.0.1", port: proxy.port, db: 0 });
    t.teardown(() => client.disconnect());
    await client.ping();
    for (const link of proxy.links) link.hold();

    const connection = new RedisConnection(client);
    t.true(await Promise.race([connection.open().then(() => true), sleep(3000, false)]));

    await connection.close();
  });
}

for (const [kind, makeClient] of Object.entries(CLUSTER_CLIENTS)) {
  test(`a start on an injected client of ${kind} fails where the cluster answers nothing`, async (t) => {
    const { server, nodes, redisOptions } = await startOneNodeCluster(t);
    const client = makeClient(nodes, redisOptions);
    t.teardown(() => client.disconnect());
    await client.ping();
    process.kill(server.pid!, "SIGSTOP");
    t.teardown(() => process.kill(server.pid!, "SIGCONT"));

    const connection = new RedisConnection(client);
    await t.throwsAsync(Promise.race([connection.open(), sleep(10_000, undefined, { ref: false })]), {
      code: "GC_STORE_UNAVAILABLE",
    });

    process.kill(server.pid!, "SIGCONT");
    await connection.open();
    await connection.close();
  });

  test(`while a whole cluster is gone, what an injected client of ${kind} keeps fails, and nothing waits for it`, async (t) => {
    const { server, nodes, redisOptions } = await startOneNodeCluster(t);
    const client = makeClient(nodes, redisOptions);
    client.on("error", () => {});
    t.teardown(() => client.disconnect());
    const manager = new RedisChannelManager(new RedisConnection(client));
    await manager.start();
    t.teardown(() => manager.stop());
    await manager.add("room", "ann", "s1");

    process.kill(server.pid!, "SIGSTOP");
    const calls = Promise.allSettled([
      manager.add("room", "bob", "s1"),
      manager.destroyChannel("room"),
      manager.destroyChannel("room"),
      manager.getMemberSets("room"),
    ]);
    await sleep(100);
    await server.kill();
    const results = await Promise.race([calls, sleep(2000)]);
    t.is(results?.length, 4);
    for (const result of results!) t.like(result, { status: "rejected", reason: { code: "GC_STORE_UNAVAILABLE" } });
    await t.throwsAsync(manager.add("room", "cid", "s1"), { code: "GC_STORE_UNAVAILABLE" });

    await server.restart();
    await eventually(() => manager.add("hall", "ann", "s1"), 20_000);
  });
}
