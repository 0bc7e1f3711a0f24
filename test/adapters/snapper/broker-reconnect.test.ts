import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { eventually } from "../../cluster/cluster.js";
import { until } from "../../connectors/websocket-support.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { CLUSTERS, connectConsumer, firstWrong, range, RawConsumer, startBroker, tokenOf } from "./broker-support.js";
import { startProducer } from "./support.js";

// What consumers get that come back: what they have missed, once and in order.

let store: RedisServer;
test.before(async () => {
  store = await startRedis();
});
test.after.always(() => store?.stop());

for (const [where, share] of Object.entries(CLUSTERS)) {
  test(`${where}: a consumer that is away gets the rest when it comes back, of all its rooms`, async (t) => {
    const { port, rpcPort, errors } = await startBroker(t, share(store.url)());
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    const first = await connectConsumer(t, port, { token });
    const rooms = ["one", "two", "three"];
    for (const room of rooms) await producer.joinRoom(room, first.id);
    const send = (numbers: number[]) => numbers.map((n) => producer.publish(rooms[n % 3]!, String(n)));

    await Promise.all(send(range(30)));
    await until(() => first.messages.length === 30);
    const { id } = first;
    first.close();
    // A batch that is under way to it until the broker hears of that comes again, whatever room it leaves.
    await eventually(
      async () => ((await producer.request("consumers", ["ann"])) as { length: number }).length === 0,
      10_000,
    );
    await Promise.all(send(range(300, 30)));
    await producer.leaveRoom("two", id);
    const second = await connectConsumer(t, port, { token });
    await Promise.all(send(range(30, 330)));

    const expected = [...range(30), ...range(330, 30).filter((n) => n % 3 !== 1)];
    await until(() => first.messages.length + second.messages.length >= expected.length);
    await sleep(100);
    t.deepEqual([...first.messages, ...second.messages], expected);
    t.true(Math.max(...second.batches) <= 50);
    t.deepEqual(errors, []);
  });

  test(`${where}: one whose connection breaks again and again gets all, once and in order`, async (t) => {
    const { port, rpcPort } = await startBroker(t, share(store.url)());
    const producer = startProducer(t, rpcPort, { maxQueuedMessages: 20_000 });
    const ann = await connectConsumer(t, port, { reconnectMs: 20 });
    const rooms = range(20).map((n) => `room ${n}`);
    await Promise.all(rooms.map((room) => producer.joinRoom(room, ann.id)));
    const sent = range(3000);

    const publishing = (async () => {
      for (const n of sent) {
        // More than 1,024 do not wait for it.
        await until(() => n < ann.messages.length + 800);
        producer.sendMessage(rooms[n % rooms.length]!, String(n));
        if (n % 10 === 0) await sleep(2);
      }
    })();
    while (ann.messages.length < 2500) {
      const { length } = ann.messages;
      await until(() => ann.messages.length > length);
      await sleep(50);
      ann.breakConnection();
    }
    await publishing;

    await until(() => ann.messages.length >= sent.length);
    t.deepEqual(firstWrong(ann.messages, sent), undefined);
    t.true(ann.opens > 3, `${ann.opens} connections`);
  });

  test(`${where}: of the same token the last connection counts, at the same broker`, async (t) => {
    const { port, rpcPort } = await startBroker(t, share(store.url)());
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    const first = await connectConsumer(t, port, { token });
    first.stayAway();
    await producer.joinRoom("room", first.id);
    await producer.publish("room", "1");
    await until(() => first.messages.length === 1);

    const second = await connectConsumer(t, port, { token });
    await until(() => !first.connected);
    for (const n of range(5, 2)) await producer.publish("room", String(n));

    await until(() => second.messages.includes(6));
    t.deepEqual(first.messages, [1]);
    t.deepEqual(
      second.messages.filter((message) => message !== 1),
      range(5, 2),
    );
    await eventually(async () => {
      const { length } = (await producer.request("consumers", ["ann"])) as { length: number };
      return length === 1;
    }, 5000);
  });

  test(`${where}: of the same token the last connection counts, and its messages go on, by polling, too`, async (t) => {
    const { port, rpcPort } = await startBroker(t, share(store.url)());
    const producer = startProducer(t, rpcPort);
    const token = tokenOf("ann");
    const transports: ("polling" | "websocket")[][] = [["polling"], ["websocket"], ["polling"], ["polling"]];
    let id: string | undefined;
    const all: RawConsumer[] = [];
    for (const [n, transport] of transports.entries()) {
      const consumer = await RawConsumer.open(t, port, token, transport);
      id ??= consumer.socket.id;
      if (n === 0) await producer.joinRoom("room", id);
      await producer.publish("room", String(n));
      await until(() => consumer.messages.includes(n));
      consumer.acknowledge(consumer.batches.at(-1)!.id);
      await eventually(() => all.every(({ isClosed }) => isClosed), 10_000);
      all.push(consumer);
    }
    // None of the earlier ones has taken the last one's place.
    await sleep(200);
    await producer.publish("room", "9");
    await until(() => all.at(-1)!.messages.includes(9));
    t.false(all.at(-1)!.isClosed);
  });
}

test("of the same token the last connection counts, at another broker", async (t) => {
  const share = CLUSTERS.Redis(store.url);
  const [one, two] = [await startBroker(t, share()), await startBroker(t, share())];
  const producer = startProducer(t, one.rpcPort);
  const token = tokenOf("ann");
  const first = await connectConsumer(t, one.port, { token });
  first.stayAway();
  await producer.joinRoom("room", first.id);
  await producer.publish("room", "1");
  await until(() => first.messages.length === 1);

  const second = await connectConsumer(t, two.port, { token });
  second.stayAway();
  await until(() => !first.connected);
  for (const n of range(5, 2)) await producer.publish("room", String(n));
  await until(() => second.messages.includes(6));
  const third = await connectConsumer(t, one.port, { token });
  await until(() => !second.connected);
  for (const n of range(5, 7)) await producer.publish("room", String(n));

  await until(() => third.messages.includes(11));
  t.deepEqual([first.messages, second.messages.filter((n) => n !== 1)], [[1], range(5, 2)]);
  t.deepEqual(
    third.messages.filter((n) => n !== 6),
    range(5, 7),
  );
});
