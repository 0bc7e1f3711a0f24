import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { BrokerOptions } from "../../../src/adapters/snapper/broker/options.js";
import { eventually } from "../../cluster/cluster.js";
import { until } from "../../connectors/websocket-support.js";
import { type NodeProcess, startProcess } from "../../support/process.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import type { BrokerProcess } from "./broker-process.js";
import {
  BROKER_OPTIONS,
  connectConsumer,
  connectOldProducer,
  firstWrong,
  range,
  RawConsumer,
  tokenOf,
} from "./broker-support.js";
import { startProducer } from "./support.js";

// Brokers in processes of their own that share a Redis. One test at a time: they are about time, too.

/** What a broker does, started again or elsewhere, within the lease of a process that is gone, 3 s, and some. */
const PATIENCE_MS = 60_000;

let store: RedisServer;
test.before(async () => {
  store = await startRedis();
});
test.after.always(() => store?.stop());

let prefixes = 0;

interface Running {
  process: NodeProcess<BrokerProcess>;
  port: number;
  rpcPort: number;
}

/** Starts brokers of the same cluster. */
function brokersOf(t: ExecutionContext) {
  const prefix = `processes-${process.pid}-${prefixes++}`;
  return async (options: Partial<BrokerOptions> = {}): Promise<Running> => {
    const args = [store.url, prefix, JSON.stringify({ ...BROKER_OPTIONS, ...options })];
    const child = await startProcess<BrokerProcess>(new URL("broker-process.ts", import.meta.url), { args });
    t.teardown(() => child.kill());
    return { process: child, ...(await child.call("start")) };
  };
}

test.serial("consumers and producers at any of several brokers are together", async (t) => {
  const start = brokersOf(t);
  const brokers = await Promise.all([start(), start(), start()]);
  const [one, two, three] = brokers;
  const consumers = await Promise.all(
    range(30).map((n) => connectConsumer(t, brokers[n % 3]!.port, { userId: `user ${n}` })),
  );
  const producers = brokers.map(({ rpcPort }) => startProducer(t, rpcPort));
  const old = connectOldProducer(t, two.rpcPort);

  // Each through another broker than its own.
  const joined = await Promise.all(consumers.map(({ id }, n) => producers[(n + 1) % 3]!.joinRoom("room", id)));
  t.deepEqual(
    joined,
    consumers.map(() => 1),
  );
  for (const n of range(300)) await producers[n % 3]!.publish("room", String(n));
  for (const n of range(100, 300)) old.sendMessage("room", String(n));

  await until(() => consumers.every(({ messages }) => messages.length >= 400));
  for (const { messages } of consumers) t.deepEqual(messages, range(400));
  t.like(await producers[0]!.request("consumers", ["user 1"]), { length: 1, web: 1 });
  await producers[1]!.leaveRoom("room", consumers[0]!.id);
  await producers[2]!.publish("room", "400");
  await until(() => consumers.slice(1).every(({ messages }) => messages.length === 401));
  t.is(consumers[0]!.messages.length, 400);
  for (const broker of [one, two, three]) t.deepEqual(await broker.process.call("errors"), []);
});

/** Consumers and producers that come to whatever broker there is, through addresses that stay. */
async function startWithAddresses(t: ExecutionContext, options: Partial<BrokerOptions> = {}) {
  const start = brokersOf(t);
  let broker = await start(options);
  const front = await TcpProxy.start(() => broker.port);
  const back = await TcpProxy.start(() => broker.rpcPort);
  t.teardown(() => Promise.all([front.stop(), back.stop()]));
  return {
    port: front.port,
    rpcPort: back.port,
    get broker() {
      return broker;
    },
    /** All connect to this one from now on. */
    async next() {
      broker = await start(options);
    },
  };
}

test.serial(
  "a broker that is stopped amid 1,000 messages of npm's producer loses none, and doubles none",
  async (t) => {
    const address = await startWithAddresses(t);
    const producer = connectOldProducer(t, address.rpcPort);
    const consumers = await Promise.all(
      range(10).map((n) => connectConsumer(t, address.port, { userId: `user ${n}` })),
    );
    for (const { id } of consumers) await producer.join("room", id);

    for (const n of range(1000)) {
      if (n === 500) {
        const stopped = address.broker;
        // It waits for the next one in its own queue.
        await sleep(100);
        await address.next();
        await stopped.process.call("stop");
      }
      producer.sendMessage("room", String(n));
      if (n % 5 === 0) await sleep(1);
    }

    await until(() => consumers.every(({ messages }) => messages.includes(999)), PATIENCE_MS).catch(() => {});
    for (const { messages } of consumers) t.is(firstWrong(messages, range(1000)), undefined);
  },
);

test.serial("a broker that is killed amid 1,000 messages of our producer loses none, and doubles none", async (t) => {
  const address = await startWithAddresses(t);
  const producer = startProducer(t, address.rpcPort, { timeoutMs: 2000 });
  const consumers = await Promise.all(range(10).map((n) => connectConsumer(t, address.port, { userId: `user ${n}` })));
  for (const { id } of consumers) await producer.joinRoom("room", id);

  const startedAt = performance.now();
  for (const n of range(1000)) {
    if (n === 500) {
      const killed = address.broker;
      await address.next();
      await until(() => consumers.every(({ messages }) => messages.length > 400));
      void killed.process.kill();
    }
    producer.sendMessage("room", String(n));
    if (n % 5 === 0) await sleep(1);
  }

  await until(() => consumers.every(({ messages }) => messages.includes(999)), PATIENCE_MS).catch(() => {});
  t.log(`${Math.round(performance.now() - startedAt)} ms`);
  for (const { messages } of consumers) t.is(firstWrong(messages, range(1000)), undefined);
});

test.serial("a broker that is killed again and again, and started again at its ports", async (t) => {
  const address = await startWithAddresses(t);
  const producer = startProducer(t, address.rpcPort, { timeoutMs: 2000, maxQueuedMessages: 20_000 });
  const consumers = await Promise.all(range(5).map((n) => connectConsumer(t, address.port, { userId: `user ${n}` })));
  const rooms = range(5).map((n) => `room ${n}`);
  for (const { id } of consumers) for (const room of rooms) await producer.joinRoom(room, id);
  let isDone = false;
  const publishing = (async () => {
    for (const n of range(2000)) {
      await until(() => consumers.every(({ messages }) => n < messages.length + 500), PATIENCE_MS);
      producer.sendMessage(rooms[n % 5]!, String(n));
      if (n % 10 === 0) await sleep(5);
    }
    isDone = true;
  })();

  for (const _ of range(3)) {
    await sleep(500);
    await address.broker.process.kill();
    await address.next();
    const { length } = consumers[0]!.messages;
    await until(() => isDone || consumers[0]!.messages.length > length, PATIENCE_MS);
  }
  await publishing;

  await until(() => consumers.every(({ messages }) => messages.length >= 2000), PATIENCE_MS).catch(() => {});
  for (const { messages } of consumers) t.is(firstWrong(messages, range(2000)), undefined);
});

test.serial("a batch that a killed broker had under way comes from another one, under the same id", async (t) => {
  const start = brokersOf(t);
  const [one, two] = await Promise.all([start(), start()]);
  const producer = startProducer(t, two.rpcPort);
  const token = tokenOf("ann");
  const first = await RawConsumer.open(t, one.port, token);
  for (const n of range(3)) await producer.publish("userann", String(n));
  await until(() => first.batches.length === 1);

  await one.process.kill();
  const second = await RawConsumer.open(t, two.port, token);
  await until(() => second.batches.length === 1, PATIENCE_MS);
  second.acknowledge(second.batches[0]!.id);
  t.deepEqual(second.batches[0], first.batches[0]);

  await eventually(() => second.messages.includes(2), PATIENCE_MS);
  t.deepEqual(second.messages, range(3));
});

test.serial(
  "a consumer of a killed broker may join rooms, and messages are confirmed soon, before it is noticed",
  async (t) => {
    const start = brokersOf(t);
    const [one, two] = await Promise.all([start(), start()]);
    const producer = startProducer(t, two.rpcPort);
    const [ann, bob] = [await connectConsumer(t, one.port), await connectConsumer(t, two.port, { userId: "bob" })];
    for (const { id } of [ann, bob]) await producer.joinRoom("room", id);
    ann.stayAway();
    await one.process.kill();

    const startedAt = performance.now();
    await producer.publish("room", "1");
    const published = performance.now() - startedAt;
    t.is(await producer.joinRoom("another", ann.id), 1);
    await producer.publish("another", "2");
    const later = await connectConsumer(t, two.port, { token: ann.token });
    await until(() => later.messages.length === 2, PATIENCE_MS);

    // Its lease lasts for 3 s.
    t.true(published < 1500, `${published} ms`);
    t.deepEqual(later.messages, [1, 2]);
    t.deepEqual(bob.messages, [1]);
  },
);
