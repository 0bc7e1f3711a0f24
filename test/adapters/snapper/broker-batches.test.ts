import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { until } from "../../connectors/websocket-support.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { CLUSTERS, connectConsumer, PATH, range, RawConsumer, startBroker, tokenOf } from "./broker-support.js";
import { HOST, startProducer } from "./support.js";

// What waits for consumers: in batches, for how long, and how much.

let store: RedisServer;
test.before(async () => {
  store = await startRedis();
});
test.after.always(() => store?.stop());

type Producer = ReturnType<typeof startProducer>;

async function publish(producer: Producer, numbers: number[], room = "userann"): Promise<void> {
  await Promise.all(numbers.map((number) => producer.publish(room, String(number))));
}

/** Lets a consumer be known to the broker, and go. */
async function visit(t: ExecutionContext, port: number, token: string): Promise<string> {
  const consumer = await RawConsumer.open(t, port, token);
  const { id } = consumer.socket;
  consumer.socket.close();
  return id;
}

test("large messages come in smaller batches, one alone if it has to be", async (t) => {
  const { port, rpcPort } = await startBroker(t, { maxFrameBytes: 2_000_000 });
  const producer = startProducer(t, rpcPort, { maxMessageBytes: 2_000_000 });
  const ann = await RawConsumer.open(t, port, tokenOf("ann"));
  await publish(producer, [0]);
  await until(() => ann.batches.length === 1);
  const lengths = [100_000, 100_000, 100_000, 1_500_000, 1000, 1000];
  await Promise.all(lengths.map((length) => producer.publish("userann", JSON.stringify("x".repeat(length)))));

  ann.acknowledge(ann.batches[0]!.id);
  for (const count of [2, 3, 4]) {
    await until(() => ann.batches.length === count);
    ann.acknowledge(ann.batches.at(-1)!.id);
  }

  const sizes = ann.batches.slice(1).map(({ params }) => params.map((message) => message.length - 2));
  t.deepEqual(sizes, [[100_000, 100_000], [100_000], [1_500_000]]);
  await until(() => ann.batches.length === 5);
});

for (const [where, share] of Object.entries(CLUSTERS)) {
  test(`${where}: one batch of at most 50 is under way, and is the same until it is acknowledged`, async (t) => {
    const { port, rpcPort } = await startBroker(t, share(store.url)());
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    let ann = await RawConsumer.open(t, port, token);
    await publish(producer, range(1));
    await until(() => ann.batches.length === 1);
    await publish(producer, range(199, 1));
    await sleep(100);
    t.is(ann.batches.length, 1);
    ann.acknowledge("another");
    ann.send({ jsonrpc: "2.0", id: ann.batches[0]!.id, method: "echo" });
    await sleep(50);
    t.is(ann.batches.length, 1);
    ann.acknowledge(ann.batches[0]!.id);
    await until(() => ann.batches.length === 2);

    const got = [...ann.messages];
    const [, underWay] = ann.batches;
    for (let times = 0; times < 2; times++) {
      ann.socket.close();
      ann = await RawConsumer.open(t, port, token);
      await until(() => ann.batches.length === 1);
      t.deepEqual(ann.batches[0], underWay);
    }
    while (got.length < 200) {
      const batch = ann.batches.at(-1)!;
      t.true(batch.params.length <= 50);
      const { length } = ann.batches;
      ann.acknowledge(batch.id);
      ann.acknowledge(batch.id);
      if (got.at(-1) === 199) break;
      await until(() => ann.batches.length === length + 1);
      got.push(...ann.batches.at(-1)!.params.map(Number));
    }

    t.deepEqual(got, range(200));
    t.is(new Set(ann.batches.map(({ id }) => id)).size, ann.batches.length);
  });

  test(`${where}: who does not acknowledge is disconnected, and gets it again`, async (t) => {
    const { port, rpcPort, errors } = await startBroker(t, { ...share(store.url)(), ackTimeoutMs: 300 });
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    const first = await RawConsumer.open(t, port, token);
    await publish(producer, range(3));
    await until(() => first.isClosed);
    t.like(errors[0], { code: "GC_TIMEOUT" });

    const second = await RawConsumer.open(t, port, token);
    await until(() => second.batches.length === 1);

    t.deepEqual(second.batches[0], first.batches[0]);
  });

  test(`${where}: an error of a consumer acknowledges, too`, async (t) => {
    const { port, rpcPort } = await startBroker(t, share(store.url)());
    const producer = startProducer(t, rpcPort);
    const ann = await RawConsumer.open(t, port, tokenOf("ann"));
    await publish(producer, [1]);
    await until(() => ann.batches.length === 1);
    ann.send({ jsonrpc: "2.0", id: ann.batches[0]!.id, error: { code: -1, message: "no" } });
    await publish(producer, [2]);
    await until(() => ann.batches.length === 2);
    t.deepEqual(ann.messages, [1, 2]);
  });

  test(`${where}: of more than maxQueued messages the oldest go`, async (t) => {
    const { port, rpcPort } = await startBroker(t, share(store.url)());
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    const id = await visit(t, port, token);
    await producer.joinRoom("room", id);

    for (const from of range(13)) await publish(producer, range(100, from * 100), "room");
    const ann = await connectConsumer(t, port, { token });
    await until(() => ann.messages.includes(1299));

    t.deepEqual(ann.messages, range(1024, 1300 - 1024));
    t.deepEqual([Math.max(...ann.batches)], [50]);
  });

  test(`${where}: so they go of several rooms together, and where the consumer is connected`, async (t) => {
    const { port, rpcPort } = await startBroker(t, { ...share(store.url)(), maxQueued: 20, maxBatch: 5 });
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    const id = await visit(t, port, token);
    for (const room of ["a", "b", "c"]) await producer.joinRoom(room, id);
    for (const n of range(60)) await producer.publish("abc"[n % 3]!, String(n));
    const ann = await RawConsumer.open(t, port, token);
    await until(() => ann.batches.length === 1);
    for (const n of range(60, 60)) await producer.publish("abc"[n % 3]!, String(n));
    while (!ann.messages.includes(119)) {
      const { length } = ann.batches;
      ann.acknowledge(ann.batches.at(-1)!.id);
      await until(() => ann.batches.length > length);
    }

    t.deepEqual(ann.messages, [...range(5, 40), ...range(20, 100)]);
  });

  test(`${where}: what is older than keepMs is not kept, and its rooms neither`, async (t) => {
    const { port, rpcPort } = await startBroker(t, { ...share(store.url)(), keepMs: 500 });
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    const id = await visit(t, port, token);
    await producer.joinRoom("room", id);
    await publish(producer, [1], "room");
    await sleep(700);

    const ann = await connectConsumer(t, port, { token });
    await publish(producer, [2], "room");
    await publish(producer, [3]);
    await until(() => ann.messages.includes(3));

    t.deepEqual(ann.messages, [3]);
  });

  test(`${where}: who stays connected stays in its rooms, however short keepMs is`, async (t) => {
    const { port, rpcPort } = await startBroker(t, { ...share(store.url)(), keepMs: 5000, formerKeepMs: 2000 });
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    const ann = await connectConsumer(t, port, { token });
    await producer.joinRoom("room", ann.id);
    // Another window of the same browser.
    const query = new URLSearchParams({ EIO: "4", transport: "polling", token: tokenOf("ann") });
    await get(`http://${HOST}:${port}${PATH}/?${query.toString()}`, { cookie: `snapper.ws=${ann.id}` });
    await sleep(7000);
    ann.breakConnection();
    await until(() => ann.opens === 2);
    await publish(producer, [1], "room");
    await until(() => ann.messages.length === 1);
    t.pass();
  });

  for (const [how, former] of [
    ["the cookie", (id: string) => ({ headers: { cookie: `a=b; snapper.ws=${id}; c=d` }, query: {} })],
    ["the query", (id: string) => ({ headers: {}, query: { sid: id } })],
  ] as const) {
    test(`${where}: what waits for a former id, of ${how}, goes after formerKeepMs`, async (t) => {
      const { port, rpcPort } = await startBroker(t, { ...share(store.url)(), formerKeepMs: 400 });
      const producer = startProducer(t, rpcPort);
      const [gone, stays] = [tokenOf("ann"), tokenOf("ann")];
      const [goneId] = [await visit(t, port, gone), await visit(t, port, stays)];
      await publish(producer, [1]);

      const { headers, query } = former(goneId);
      const parameters = new URLSearchParams({ EIO: "4", transport: "polling", token: tokenOf("ann"), ...query });
      await get(`http://${HOST}:${port}${PATH}/?${parameters.toString()}`, headers);
      await sleep(800);
      const consumers = [
        await connectConsumer(t, port, { token: gone }),
        await connectConsumer(t, port, { token: stays }),
      ];
      await publish(producer, [2]);

      await until(() => consumers.every(({ messages }) => messages.includes(2)));
      t.deepEqual(
        consumers.map(({ messages }) => messages),
        [[2], [1, 2]],
      );
    });
  }
}

async function get(url: string, headers: Record<string, string>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    request(url, { headers, agent: false }, (response) => {
      response.resume().once("end", resolve);
    })
      .on("error", reject)
      .end();
  });
}
