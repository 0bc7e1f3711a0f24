import test from "ava";
import { Cluster, Redis } from "ioredis";
import { RedisConnection, type RedisSource } from "../../src/redis/index.js";
import { eventually } from "../cluster/cluster.js";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";

// A connection that is closed while it is being opened.

let server: RedisServer;
let cluster: RedisCluster;
test.before(async () => {
  [server, cluster] = await Promise.all([startRedis(), startRedisCluster({ replicas: 0 })]);
});
test.after.always(() => Promise.all([server?.stop(), cluster?.stop()]));

const clients = {
  "one Redis": () => new Redis(server.url),
  "a Redis Cluster": () => new Cluster(cluster.startupNodes),
};

for (const [kind, makeClient] of Object.entries(clients)) {
  test(`${kind}: who closes it meanwhile leaves nothing behind, and is told that it is closed`, async (t) => {
    const client = makeClient();
    t.teardown(() => client.disconnect());
    await client.ping();
    const listeners = (): number[] => ["close", "refresh"].map((event) => client.listenerCount(event));
    const before = listeners();
    const connection = new RedisConnection(client);

    const opening = connection.open();
    const closing = connection.close();

    await t.throwsAsync(opening, { code: "GC_STORE_UNAVAILABLE" });
    await closing;
    t.deepEqual(listeners(), before);
    const list = async (): Promise<string> => String(await client.call("CLIENT", "LIST", "TYPE", "PUBSUB"));
    await eventually(async () => (await list()) === "", 3000);
  });
}

const sources: Record<string, () => RedisSource> = {
  "one Redis": () => server.url,
  "a Redis Cluster": () => ({ cluster: cluster.startupNodes }),
};

for (const [kind, source] of Object.entries(sources)) {
  test(`${kind}: who opens it anew meanwhile has it`, async (t) => {
    const connection = new RedisConnection(source());

    const first = connection.open();
    const closing = connection.close();
    const second = connection.open();

    await t.throwsAsync(first, { code: "GC_STORE_UNAVAILABLE" });
    await closing;
    await second;
    t.is(await connection.publish("anybody", "there"), 0);
    await connection.close();
    await t.throwsAsync(connection.publish("anybody", "there"), { code: "GC_STORE_UNAVAILABLE" });
  });
}
