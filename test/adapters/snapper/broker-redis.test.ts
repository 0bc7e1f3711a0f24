import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { redis } from "../../../src/redis/index.js";
import { eventually } from "../../cluster/cluster.js";
import { until } from "../../connectors/websocket-support.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import {
  connectConsumer,
  connectOldProducer,
  firstWrong,
  range,
  startBroker,
  type TestConsumer,
} from "./broker-support.js";
import { startProducer } from "./support.js";

// What becomes of the broker, and of messages, when its Redis is gone for a while. One test at a time: they are about time.

const PATIENCE_MS = 60_000;

/** A Redis that keeps what it has on a disk. */
async function startKeepingRedis(t: ExecutionContext): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), "globalchannel-snapper-"));
  t.teardown(() => rm(dir, { recursive: true }));
  const server = await startRedis({ args: ["--dir", dir, "--appendonly", "yes", "--appendfsync", "always"] });
  t.teardown(() => server.stop());
  return server;
}

async function startAll(t: ExecutionContext, url: string) {
  const broker = await startBroker(t, { cluster: redis(url, { prefix: "outage" }) });
  const producer = startProducer(t, broker.rpcPort, { maxQueuedMessages: 20_000 });
  const consumers = await Promise.all(range(5).map((n) => connectConsumer(t, broker.port, { userId: `user ${n}` })));
  for (const { id } of consumers) await producer.joinRoom("room", id);
  return { broker, producer, consumers };
}

/** Sends messages for as long as something takes, and some before and after. */
async function sendDuring(producer: ReturnType<typeof startProducer>, outage: () => Promise<void>): Promise<number> {
  let sent = 0;
  const over = new AbortController();
  const sending = (async () => {
    while (!over.signal.aborted) {
      producer.sendMessage("room", String(sent++));
      await sleep(5);
    }
  })();
  await sleep(200);
  await outage();
  await sleep(200);
  over.abort();
  await sending;
  return sent;
}

async function untilAllHave(consumers: readonly TestConsumer[], count: number): Promise<void> {
  await until(() => consumers.every(({ messages }) => messages.length >= count), PATIENCE_MS).catch(() => {});
}

test.serial(
  "Redis is stopped and started with its data: consumers get everything, in order, also who was away",
  async (t) => {
    const server = await startKeepingRedis(t);
    const { broker, producer, consumers } = await startAll(t, server.url);
    const [away, ...others] = consumers;
    await producer.publish("room", '"first"');
    await until(() => consumers.every(({ messages }) => messages.length === 1));
    away!.stayAway();
    away!.close();

    const sent = await sendDuring(producer, async () => {
      await server.stop();
      await sleep(2000);
      await server.restart();
    });

    const expected = ["first", ...range(sent)];
    await untilAllHave(others, expected.length);
    for (const { messages } of others) t.is(firstWrong(messages, expected), undefined);
    const back = await connectConsumer(t, broker.port, { token: away!.token });
    await untilAllHave([back], sent);
    t.is(firstWrong([...away!.messages, ...back.messages], expected), undefined);
  },
);

test.serial("Redis is started again and again while one is away", async (t) => {
  const server = await startKeepingRedis(t);
  const { broker, producer, consumers } = await startAll(t, server.url);
  const [away] = consumers;
  away!.stayAway();
  away!.close();
  const sent = range(12);
  for (const n of sent) {
    await producer.publish("room", String(n));
    if (n % 2 === 1) await server.restart();
  }
  const back = await connectConsumer(t, broker.port, { token: away!.token });
  await untilAllHave([back], sent.length);
  t.deepEqual(back.messages, sent);
});

test.serial("Redis is stopped and started empty: consumers go on with new messages", async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const { producer, consumers } = await startAll(t, server.url);
  await producer.publish("room", '"first"');

  const sent = await sendDuring(producer, async () => {
    await server.kill();
    await sleep(1000);
    await server.restart();
  });
  // They are its members again, and this comes to all.
  await eventually(
    async () => {
      await producer.publish("room", '"last"');
      return consumers.every(({ messages }) => messages.includes("last"));
    },
    PATIENCE_MS,
    200,
  );

  for (const { messages } of consumers) {
    const numbers = messages.filter((message) => typeof message === "number");
    t.deepEqual(
      numbers,
      numbers.toSorted((one, other) => one - other),
    );
    t.is(new Set(numbers).size, numbers.length);
    t.true(numbers.length > 30, `${numbers.length} of ${sent}`);
  }
  // They are known to be in their rooms again, when they come back, too.
  const [ann] = consumers;
  ann!.breakConnection();
  await until(() => ann!.opens === 2, PATIENCE_MS);
  await producer.publish("room", '"after"');
  await until(() => consumers.every(({ messages }) => messages.includes("after")), PATIENCE_MS);
});

test.serial("connections to Redis that are cut again and again: consumers get everything, in order", async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const proxy = await TcpProxy.start(server.port);
  t.teardown(() => proxy.stop());
  const { producer, consumers } = await startAll(t, `redis://127.0.0.1:${proxy.port}`);

  const sent = await sendDuring(producer, async () => {
    for (const n of range(8)) {
      proxy.cut();
      await sleep(n % 2 === 0 ? 300 : 20);
    }
    proxy.refuse();
    proxy.cut();
    await sleep(1000);
    proxy.heal();
    await sleep(500);
    proxy.hold();
    await sleep(1000);
    proxy.heal();
  });

  await untilAllHave(consumers, sent);
  for (const { messages } of consumers) t.is(firstWrong(messages, range(sent)), undefined);
});

test.serial(
  "messages of npm's producer wait in the broker while Redis is gone, as nobody would send them again",
  async (t) => {
    const server = await startKeepingRedis(t);
    const { broker, consumers } = await startAll(t, server.url);
    const producer = connectOldProducer(t, broker.rpcPort);
    await producer.ask("echo", []);

    let sent = 0;
    const send = async (count: number) => {
      for (const _ of range(count)) {
        producer.sendMessage("room", String(sent++));
        await sleep(5);
      }
    };
    await send(50);
    await server.stop();
    await send(100);
    await server.restart();
    await send(50);

    await untilAllHave(consumers, sent);
    for (const { messages } of consumers) t.is(firstWrong(messages, range(sent)), undefined);
  },
);

test.serial(
  "Redis is emptied, and a room is joined before that is known: a consumer stays in all of its rooms",
  async (t) => {
    const server = await startRedis();
    t.teardown(() => server.stop());
    // How often it is looked whether a consumer is noted goes by this time.
    const broker = await startBroker(t, { cluster: redis(server.url, { prefix: "emptied" }), formerKeepMs: 3000 });
    const producer = startProducer(t, broker.rpcPort);
    const ann = await connectConsumer(t, broker.port);
    const bob = await connectConsumer(t, broker.port, { userId: "bob" });
    await producer.joinRoom("a", ann.id);
    await producer.joinRoom("b", ann.id);
    const client = new Redis(server.url);
    t.teardown(() => client.disconnect());

    await client.flushall();
    t.is(await producer.joinRoom("c", ann.id), 1);

    const rooms = ["a", "b", "c", "userann"];
    let n = 0;
    const comes = (consumer: TestConsumer, room: string): Promise<boolean> =>
      eventually(async () => {
        await producer.publish(room, JSON.stringify(`${room} ${n++}`));
        await sleep(50);
        return consumer.messages.some((message) => String(message).startsWith(`${room} `));
      }, 20_000);
    for (const room of rooms) await comes(ann, room);
    await comes(bob, "userbob");
    ann.stayAway();
    ann.close();
    await until(() => !ann.connected);
    for (const room of rooms) await producer.publish(room, JSON.stringify(`${room} away`));

    const again = await connectConsumer(t, broker.port, { token: ann.token });
    await until(() => rooms.every((room) => again.messages.includes(`${room} away`)));
    t.deepEqual(new Set(again.messages).size, again.messages.length);
  },
);
