import test, { type ExecutionContext } from "ava";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { GlobalChannelService } from "../../src/index.js";
import {
  redis,
  RedisChannelManager,
  type RedisClusterOptions,
  RedisConnection,
  type RedisSource,
} from "../../src/redis/index.js";
import { eventually } from "../cluster/cluster.js";
import { startOneNodeCluster } from "../support/one-node-cluster.js";
import { randomPort } from "../support/programs.js";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.js";
import { startRedis } from "../support/redis-server.js";
import { makeTlsFiles } from "../support/tls.js";

/** Writes and reads something through a service on this source. */
async function works(t: ExecutionContext, source: RedisSource, options?: RedisClusterOptions): Promise<void> {
  const service = new GlobalChannelService({ cluster: redis(source, options) });
  await service.start();
  t.true(await service.add("room", "ann", "s1"));
  t.false(await service.add("room", "ann", "s1"));
  await service.stop();
}

test("a URL may have a password and a database, and the keys are in that database", async (t) => {
  const server = await startRedis({ args: ["--requirepass", "se:cret/@"] });
  t.teardown(() => server.stop());
  const password = encodeURIComponent("se:cret/@");

  await works(t, `redis://:${password}@${server.host}:${server.port}/5`);

  const client = new Redis({ port: server.port, host: server.host, password: "se:cret/@", db: 5 });
  t.teardown(() => client.disconnect());
  t.true((await client.keys("gc:{room}:*")).length > 0);
  await client.select(0);
  t.is(await client.dbsize(), 0);
});

test("ioredis options may be given instead of a URL", async (t) => {
  const server = await startRedis({ args: ["--requirepass", "secret"] });
  t.teardown(() => server.stop());

  await works(t, { port: server.port, host: server.host, password: "secret", db: 1 }, { prefix: "my:game" });

  const client = new Redis({ port: server.port, host: server.host, password: "secret", db: 1 });
  t.teardown(() => client.disconnect());
  t.deepEqual(
    (await client.keys("*")).filter((key) => !key.startsWith("my:game:")),
    [],
  );
});

test("a wrong password is a clear error at start, and start may be tried again", async (t) => {
  const server = await startRedis({ args: ["--requirepass", "secret"] });
  t.teardown(() => server.stop());
  const service = new GlobalChannelService({ cluster: redis(`redis://:wrong@${server.host}:${server.port}`) });

  for (let attempt = 1; attempt <= 2; attempt++) {
    const error = await t.throwsAsync(service.start());
    t.like(error, { name: "GlobalChannelError" });
    t.regex(error.message, /WRONGPASS|password/i);
  }
});

test("a Redis that is not there is a temporary error at start", async (t) => {
  const server = await startRedis();
  await server.stop();
  const service = new GlobalChannelService({ cluster: redis(server.url) });

  await t.throwsAsync(service.start(), { message: /ECONNREFUSED/ });
  await t.throwsAsync(service.start(), { message: /ECONNREFUSED/ });
  const error = await t.throwsAsync(service.add("room", "ann", "s1"));

  t.like(error, { code: "GC_NOT_STARTED" });
});

test("rediss:// connects with TLS", async (t) => {
  const { args, ca } = await makeTlsFiles(t);
  const tlsPort = randomPort();
  const server = await startRedis({ args: args(tlsPort) });
  t.teardown(() => server.stop());

  await works(t, { host: "127.0.0.1", port: tlsPort, tls: { ca } });
  const untrusted = new GlobalChannelService({ cluster: redis(`rediss://127.0.0.1:${tlsPort}`) });

  // That it checks the certificate shows that the URL means TLS.
  await t.throwsAsync(untrusted.start(), { message: /self-signed|certificate/ });
});

test("a Redis Cluster may be reached by TLS", async (t) => {
  const { nodes, redisOptions } = await startOneNodeCluster(t);

  await works(t, { cluster: nodes, redisOptions });
});

const SOURCES: Record<
  string,
  (t: ExecutionContext, own: Pick<RedisOptions, "reconnectOnError">) => Promise<RedisSource>
> = {
  "one Redis": async (t, own) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    return { host: server.host, port: server.port, ...own };
  },
  "a Redis Cluster": async (t, own) => {
    const { nodes, redisOptions } = await startOneNodeCluster(t);
    return { cluster: nodes, redisOptions: { ...redisOptions, ...own } };
  },
};

for (const [kind, sourceWith] of Object.entries(SOURCES)) {
  test(`${kind}: an error for which the application wants a new connection gives one, and nothing is sent again`, async (t) => {
    let asked = 0;
    const reconnectOnError = ({ message }: Error): 2 | false => {
      if (!message.startsWith("WRONGTYPE")) return false;
      asked++;
      return 2;
    };
    const connection = new RedisConnection(await sourceWith(t, { reconnectOnError }));
    const manager = new RedisChannelManager(connection);
    await manager.start();
    t.teardown(() => manager.stop());
    const sets = connection.layout.of("room").sets("room");
    const ownId = (): Promise<number> => connection.command((client) => (client as Redis).client("ID"));
    await connection.command((client) => client.sadd(sets, "no hash"));
    const before = await ownId();

    await t.throwsAsync(manager.getMemberSets("room"), { code: "GC_STORE_ERROR", message: /WRONGTYPE/ });

    await eventually(async () => (await ownId()) !== before, 3000);
    t.is(asked, 1);
  });
}

test("what cannot work is refused at once, and no password is shown", (t) => {
  const client = new Redis({ lazyConnect: true, keyPrefix: "x:" });
  const node = { host: "127.0.0.1", port: 1 };
  const replicas = new Cluster([node], { lazyConnect: true, scaleReads: "slave" });
  const prefixed = new Cluster([node], { lazyConnect: true, redisOptions: { keyPrefix: "x:" } });
  const refused: [unknown, unknown?][] = [
    [undefined],
    [6379],
    ["localhost:6379"],
    ["http://localhost"],
    ["redis://user:hunter2@"],
    [{ keyPrefix: "x:" }],
    [client],
    [replicas],
    [prefixed],
    [new Redis({ lazyConnect: true, stringNumbers: true })],
    [new Redis({ lazyConnect: true, enableAutoPipelining: true })],
    [new Cluster([node], { lazyConnect: true, enableAutoPipelining: true })],
    [new Cluster([node], { lazyConnect: true, redisOptions: { stringNumbers: true } })],
    [{ stringNumbers: true }],
    [{ cluster: [node], enableAutoPipelining: true }],
    [{ cluster: [node], redisOptions: { stringNumbers: true } }],
    [{ cluster: [] }],
    [{ cluster: node }],
    [{ cluster: [node], redisOptions: { db: 1 } }],
    [{ cluster: [node], scaleReads: "all" }],
    [{ sentinels: [node] }],
    [{ sentinels: [node], name: "main", role: "slave" }],
    [{}, { prefix: "" }],
    [{}, { prefix: "{x}" }],
    [{}, { prefix: "a*" }],
    [{}, { prefix: 1 }],
    [{}, { prefx: "x" }],
  ];

  for (const [source, options] of refused) {
    const error = t.throws(() => redis(source as RedisSource, options as RedisClusterOptions));
    t.like(error, { code: "GC_INVALID_OPTION" });
    t.notRegex(error.message, /hunter2/);
  }
  replicas.disconnect();
  prefixed.disconnect();
});

test("a Redis that may throw keys away is warned of at the start, once", async (t) => {
  const server = await startRedis({ args: ["--maxmemory-policy", "allkeys-lru"] });
  t.teardown(() => server.stop());
  const warnings: Error[] = [];
  const listener = (warning: Error): void =>
    void (warning.message.includes(`:${server.port} `) && warnings.push(warning));
  process.on("warning", listener);
  t.teardown(() => process.off("warning", listener));

  await works(t, server.url, { prefix: "one" });
  await works(t, server.url, { prefix: "two" });
  const sound = await startRedis();
  t.teardown(() => sound.stop());
  await works(t, sound.url);

  t.is(warnings.length, 1);
  t.like(warnings[0], { name: "GlobalChannelWarning", code: "EVICTION_POLICY" });
  t.regex(warnings[0]!.message, /allkeys-lru.*noeviction/);
});

/** Its password is `secret`. */
async function startClusterWithPassword(t: ExecutionContext): Promise<RedisCluster> {
  const servers = await startRedisCluster({ replicas: 0 });
  t.teardown(() => servers.stop());
  for (const node of servers.nodes) await node.call("CONFIG", "SET", "requirepass", "secret");
  return servers;
}

test("a Redis Cluster may be given by its nodes, by options or by a client, which is left as it is", async (t) => {
  const servers = await startClusterWithPassword(t);
  const redisOptions = { password: "secret" };
  const [{ host, port }] = servers.startupNodes as [{ host: string; port: number }];
  const client = new Cluster(servers.startupNodes, { redisOptions });
  t.teardown(() => client.disconnect());

  await works(t, { cluster: servers.startupNodes, redisOptions }, { prefix: "nodes" });
  await works(t, { cluster: [`redis://:secret@${host}:${port}`], redisOptions }, { prefix: "url" });
  await works(t, client, { prefix: "client" });

  t.is(client.status, "ready");
  t.is(await client.set("still", "usable"), "OK");
});

test("a Redis Cluster that is not there, or refuses the password, is a clear error at start", async (t) => {
  const servers = await startClusterWithPassword(t);
  const startOn = (source: RedisSource) => new GlobalChannelService({ cluster: redis(source) }).start();

  const refused = await t.throwsAsync(startOn({ cluster: servers.startupNodes, redisOptions: { password: "wrong" } }));
  t.like(refused, { name: "GlobalChannelError", code: "GC_STORE_UNAVAILABLE" });
  t.regex(refused.message, /WRONGPASS|NOAUTH/);
  const gone = await t.throwsAsync(startOn({ cluster: [{ host: "127.0.0.1", port: 1 }] }));
  t.like(gone, { code: "GC_STORE_UNAVAILABLE", temporary: true });
  const standalone = await startRedis();
  t.teardown(() => standalone.stop());
  const none = await t.throwsAsync(startOn({ cluster: [{ host: standalone.host, port: standalone.port }] }));
  t.regex(none.message, /cluster support disabled/i);
});
