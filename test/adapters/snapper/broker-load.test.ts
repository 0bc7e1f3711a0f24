import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { redis } from "../../../src/redis/index.js";
import { until } from "../../connectors/websocket-support.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { type RedisCluster, startRedisCluster } from "../../support/redis-cluster.js";
import { connectConsumer, connectOldProducer, firstWrong, range, startBroker } from "./broker-support.js";
import { startProducer } from "./support.js";

// Many consumers, many rooms. One test at a time.

const PATIENCE_MS = 90_000;

let store: RedisServer;
let storeCluster: RedisCluster;
test.before(async () => {
  store = await startRedis();
  storeCluster = await startRedisCluster({ replicas: 0 });
});
test.after.always(async () => {
  await storeCluster?.stop();
  await store?.stop();
});

let prefixes = 0;
const prefix = (): string => `load-${process.pid}-${prefixes++}`;

const CLUSTERS = {
  memory: () => ({}),
  Redis: () => ({ cluster: redis(store.url, { prefix: prefix() }) }),
  "a Redis Cluster": () => ({ cluster: redis({ cluster: storeCluster.startupNodes }, { prefix: prefix() }) }),
};

for (const [where, options] of Object.entries(CLUSTERS)) {
  test.serial(`${where}: 1,000 messages to 200 consumers`, async (t) => {
    const { port, rpcPort, errors } = await startBroker(t, options());
    const producer = connectOldProducer(t, rpcPort);
    const consumers = await Promise.all(range(200).map((n) => connectConsumer(t, port, { userId: `user ${n}` })));
    await Promise.all(consumers.map(({ id }) => producer.join("chaos", id)));

    const startedAt = performance.now();
    for (let sent = 0; sent < 1000;) {
      const count = Math.min(1 + Math.floor(Math.random() * 100), 1000 - sent);
      for (const n of range(count, sent)) producer.sendMessage("chaos", String(n));
      sent += count;
      await sleep(Math.random() * 50);
    }
    await until(() => consumers.every(({ messages }) => messages.length >= 1000), PATIENCE_MS).catch(() => {});

    t.log(`${Math.round(performance.now() - startedAt)} ms`);
    for (const { messages } of consumers) t.is(firstWrong(messages, range(1000)), undefined);
    t.deepEqual(errors, []);
    t.deepEqual(producer.errors, []);
  });

  test.serial(`${where}: 2,000 messages over 200 rooms to 50 consumers`, async (t) => {
    const { port, rpcPort } = await startBroker(t, { ...options(), maxQueued: 2000 });
    // The last of many calls waits for all before it.
    const producer = startProducer(t, rpcPort, { timeoutMs: PATIENCE_MS });
    const consumers = await Promise.all(range(50).map((n) => connectConsumer(t, port, { userId: `user ${n}` })));
    const rooms = range(200).map((n) => `room ${n}`);
    // Each room has ten of them.
    const members = (room: number) => range(10).map((k) => (room + 5 * k) % 50);
    await Promise.all(rooms.flatMap((room, r) => members(r).map((c) => producer.joinRoom(room, consumers[c]!.id))));
    const expected = consumers.map((_, c) => range(2000).filter((n) => members(n % 200).includes(c)));

    const startedAt = performance.now();
    for (const n of range(2000)) producer.sendMessage(rooms[n % 200]!, String(n));
    await until(() => consumers.every(({ messages }, c) => messages.length >= expected[c]!.length), PATIENCE_MS).catch(
      () => {},
    );

    t.log(`${Math.round(performance.now() - startedAt)} ms`);
    for (const [c, { messages }] of consumers.entries()) {
      if (where === "a Redis Cluster") {
        const own = (list: readonly unknown[], room: number) => list.filter((n) => Number(n) % 200 === room);
        for (const room of range(200)) t.deepEqual(own(messages, room), own(expected[c]!, room));
      } else {
        t.is(firstWrong(messages, expected[c]!), undefined);
      }
    }
  });
}
