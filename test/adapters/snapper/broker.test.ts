import { isDeepStrictEqual } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { memory } from "../../../src/memory.js";
import type { Cluster, SubscriberStore } from "../../../src/types.js";
import { eventually } from "../../cluster/cluster.js";
import { replacing } from "../../support/stage.js";
import { until } from "../../connectors/websocket-support.js";
import {
  connectConsumer,
  connectOldProducer,
  range,
  RawConsumer,
  startBroker,
  TestConsumer,
  tokenOf,
} from "./broker-support.js";
import { startProducer } from "./support.js";

// npm's producer and consumer, unchanged, and our producer, as clients of the broker.

test("messages to a room come to the consumers in it, in order", async (t) => {
  const { port, rpcPort, errors } = await startBroker(t);
  const producer = connectOldProducer(t, rpcPort);
  const [ann, bob] = [await connectConsumer(t, port), await connectConsumer(t, port, { userId: "bob" })];
  t.is(await producer.join("room", ann.id), 1);

  const values = [0, "0", false, {}, [], null, { e: ":remove:tasks", d: "553f569aca14974c5f806a01" }, "日本 😀", 1.5];
  for (const value of values) producer.sendMessage("room", JSON.stringify(value));

  await until(() => ann.messages.length === values.length);
  t.deepEqual(ann.messages, values);
  t.deepEqual(bob.messages, []);
  t.deepEqual([errors, producer.errors, ann.errors], [[], [], []]);
});

test("joinRoom and leaveRoom answer 1, or 0 where nothing has changed; of consumers that are not there, too", async (t) => {
  const { port, rpcPort } = await startBroker(t);
  const producer = connectOldProducer(t, rpcPort);
  const ann = await connectConsumer(t, port);

  for (const id of [ann.id, "t.nobody"]) {
    t.is(await producer.join("room", id), 1);
    t.is(await producer.join("room", id), 0);
    t.is(await producer.join("another", id), 1);
    t.is(await producer.leave("room", id), 1);
    t.is(await producer.leave("room", id), 0);
  }
  producer.sendMessage("room", "1").sendMessage("another", "2");

  await until(() => ann.messages.length === 1);
  t.deepEqual(ann.messages, [2]);
});

test("a consumer that leaves a room gets what was sent before, and joins it again", async (t) => {
  const { port, rpcPort } = await startBroker(t);
  const producer = startProducer(t, rpcPort);
  const ann = await connectConsumer(t, port);

  await producer.joinRoom("room", ann.id);
  await producer.publish("room", "1");
  await producer.leaveRoom("room", ann.id);
  await producer.publish("room", "2");
  await producer.joinRoom("room", ann.id);
  await producer.publish("room", "3");

  await until(() => ann.messages.length === 2);
  t.deepEqual(ann.messages, [1, 3]);
});

test("a consumer that is not known yet may be put into rooms, and gets what they got since", async (t) => {
  const { port, rpcPort } = await startBroker(t);
  const producer = startProducer(t, rpcPort);
  const token = tokenOf("ann");
  const first = await connectConsumer(t, (await startBroker(t)).port, { token });
  await producer.publish("room", "0");
  t.is(await producer.joinRoom("room", first.id), 1);
  await producer.publish("room", "1");
  await producer.publish("room", "2");

  const ann = await connectConsumer(t, port, { token });
  await until(() => ann.messages.length === 2);
  await producer.publish("room", "3");

  await until(() => ann.messages.length === 3);
  t.is(ann.id, first.id);
  t.deepEqual(ann.messages, [1, 2, 3]);
});

test("a consumer that connects while it is put into rooms is in all of them", async (t) => {
  const { port, rpcPort } = await startBroker(t);
  const producer = startProducer(t, rpcPort);
  const token = tokenOf("ann");
  const first = await connectConsumer(t, port, { token });
  const { id } = first;
  first.close();

  const rooms = range(100).map((number) => `room ${number}`);
  const joins: Promise<unknown>[] = [];
  for (const [index, room] of rooms.entries()) {
    joins.push(producer.joinRoom(room, id));
    producer.sendMessage(room, String(index));
    if (index === 50) void connectConsumer(t, port, { token }).then((consumer) => (ann = consumer));
  }
  let ann: TestConsumer | undefined;
  t.deepEqual(
    await Promise.all(joins),
    rooms.map(() => 1),
  );

  await until(() => ann?.messages.length === rooms.length);
  t.deepEqual(
    (ann!.messages as number[]).toSorted((one, other) => one - other),
    range(100),
  );
});

test("requests with bad params, and those that there are not, are answered with an error", async (t) => {
  const { rpcPort } = await startBroker(t);
  const producer = connectOldProducer(t, rpcPort);
  const failure = (method: string, params: unknown[]) =>
    producer.ask(method, params).then(
      () => undefined,
      ({ code }: { code: number }) => code,
    );

  t.is(await failure("get", []), -32_601);
  t.is(await failure("constructor", []), -32_601);
  for (const method of ["subscribe", "unsubscribe"]) {
    for (const params of [[], ["room"], ["room", ""], ["", "id"], ["room", 1], [1, "id"], ["x".repeat(1025), "id"]]) {
      t.is(await failure(method, params), -32_602, `${method} ${JSON.stringify(params)}`);
    }
  }
  for (const params of [[], [""], [1], [{}]]) t.is(await failure("consumers", params), -32_602);
  t.deepEqual(await producer.ask("echo", [1, { a: "é" }]), [1, { a: "é" }]);
});

test("messages that are none keep none from their rooms that came with them", async (t) => {
  const { port, rpcPort, errors } = await startBroker(t);
  const producer = startProducer(t, rpcPort);
  const ann = await connectConsumer(t, port);
  await producer.joinRoom("room", ann.id);
  const bad = [null, 1, "room", [], ["room"], ["room", ""], ["", "1"], ["room", 1], [1, "1"], ["room", { a: 1 }], {}];

  t.is(await producer.request("publish", [["room", "1"], ...bad, ["room", "2"]]), 2);
  t.is(await producer.request("publish", ["room", "3"]), 1);
  t.is(await producer.request("publish", []), 0);

  await until(() => ann.messages.length === 3);
  t.deepEqual(ann.messages, [1, 2, 3]);
  t.is(errors.length, bad.length + 1);
});

test("how many consumers of a user are connected is told by device", async (t) => {
  const { port, rpcPort } = await startBroker(t);
  const producer = connectOldProducer(t, rpcPort);
  const count = () => producer.ask("consumers", ["ann"]);
  t.deepEqual(await count(), { length: 0, web: 0, ios: 0, android: 0 });
  const consumers: TestConsumer[] = [];
  const expected = { length: 0, web: 0, ios: 0, android: 0 };
  const untilCounted = () => eventually(async () => isDeepStrictEqual(await count(), expected), 10_000);

  for (const [source, device] of [
    [undefined, "web"],
    ["ios", "ios"],
    ["android", "android"],
    ["iOS", "ios"],
    ["teambition", "web"],
    ["toString", "web"],
    [{ ios: 1 }, "web"],
    [null, "web"],
  ] as const) {
    consumers.push(await connectConsumer(t, port, { claims: { source } }));
    expected.length++;
    expected[device]++;
    await untilCounted();
  }
  consumers[1]!.close();
  expected.length--;
  expected.ios--;
  await untilCounted();
  for (const consumer of consumers) consumer.close();
  Object.assign(expected, { length: 0, web: 0, ios: 0, android: 0 });
  await untilCounted();
  t.pass();
});

test("requests of consumers are answered with their params", async (t) => {
  const { port } = await startBroker(t);
  const ann = await connectConsumer(t, port);
  const ask = (params: unknown) =>
    new Promise((resolve, reject) => {
      ann.request("echo", params as never, (error, result) => (error ? reject(error) : resolve(result)));
    });

  t.deepEqual(await ask([1, 2, 3]), [1, 2, 3]);
  t.deepEqual(await ask({ a: ["é"] }), { a: ["é"] });
  // Without params.
  t.is(await ask(undefined), null);
});

test("what consumers may not send is told to be invalid, and harms nothing", async (t) => {
  const { port, rpcPort } = await startBroker(t);
  const producer = startProducer(t, rpcPort);
  const ann = await RawConsumer.open(t, port, tokenOf("ann"));
  const bad = [
    "{",
    "null",
    "[]",
    "1",
    {},
    { id: 1 },
    { id: {}, method: "echo" },
    { method: "echo" },
    { id: "x".repeat(257), method: "echo" },
    { id: null, result: "OK" },
    "[".repeat(1000),
  ];

  for (const [index, message] of bad.entries()) {
    ann.send(message);
    await until(() => ann.received.length === index + 1);
    t.like(ann.received.at(-1), { jsonrpc: "2.0", method: "invalid" }, JSON.stringify(message));
  }
  ann.send({ jsonrpc: "2.0", id: "no batch", result: "OK" });
  ann.send({ jsonrpc: "2.0", id: 7, method: "echo", params: [1] });
  await until(() => ann.received.length === bad.length + 1);
  t.deepEqual(ann.received.at(-1), { jsonrpc: "2.0", id: 7, result: [1] });
  await producer.publish("userann", "1");
  await until(() => ann.messages.length === 1);
});

test("each consumer is in the room of its user, whatever that is called", async (t) => {
  const { port, rpcPort } = await startBroker(t);
  const producer = startProducer(t, rpcPort);
  const names = [
    "ann",
    "55a07f2dee06c78e1357b0ad",
    "a b",
    "😀",
    "{}",
    "a:b*c?[d]",
    "\n",
    "0",
    "__proto__",
    "日".repeat(300),
  ];
  const consumers = await Promise.all(
    names.map(async (userId) => {
      const [first, second] = [await connectConsumer(t, port, { userId }), await connectConsumer(t, port, { userId })];
      return [first, second];
    }),
  );

  for (const userId of names) await producer.publish(`user${userId}`, JSON.stringify(userId));

  for (const [index, [first, second]] of consumers.entries()) {
    await until(() => first!.messages.length === 1 && second!.messages.length === 1);
    t.deepEqual([first!.messages, second!.messages], [[names[index]], [names[index]]]);
    t.not(first!.id, second!.id);
  }
});

test("what is sent to a user comes to a consumer that is told just now that it is connected", async (t) => {
  const { port, rpcPort } = await startBroker(t, { cluster: slowly(memory(), 50) });
  const producer = startProducer(t, rpcPort);
  const ann = await RawConsumer.open(t, port, tokenOf("ann"));

  await producer.publish("userann", "1");

  await until(() => ann.messages.length === 1);
  t.pass();
});

test("the same token has the same id, and that looks as the old broker's", async (t) => {
  const { port } = await startBroker(t);
  const token = tokenOf("ann", { source: "ios" });
  const first = await connectConsumer(t, port, { token });
  const { id } = first;
  first.close();
  const second = await connectConsumer(t, (await startBroker(t)).port, { token });

  t.is(second.id, id);
  t.regex(id, /^i\.[0-9a-zA-Z.~_-]{24,38}$/);
});

/** A cluster that takes its time to note who is where. */
function slowly(cluster: Cluster, ms: number): Cluster {
  const subscribers = cluster.subscribers!;
  const subscribe: SubscriberStore["subscribe"] = async (...args) => {
    await sleep(ms);
    return subscribers.subscribe(...args);
  };
  return { ...cluster, subscribers: replacing(subscribers, { subscribe }) };
}
