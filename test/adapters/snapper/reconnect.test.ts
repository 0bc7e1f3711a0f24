import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { until } from "../../connectors/websocket-support.js";
import { TcpProxy, type TcpProxyOptions } from "../../support/tcp-proxy.js";
import { HOST, Log, numbered, startOldBroker, startProducer, startServer } from "./support.js";

/** Nobody listens there. */
const NOWHERE = 1;

/** Where a producer connects to: the server behind it may be another one each time, whose port nobody else can have taken. */
async function startProxy(t: ExecutionContext, port: () => number, options?: TcpProxyOptions): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(port, options);
  t.teardown(() => proxy.stop());
  return proxy;
}

test("restart › in the middle of 1,000 messages: all come, once, and in order", async (t) => {
  const log = new Log();
  let { server } = await startServer(t, { log });
  let { port } = server;
  const proxy = await startProxy(t, () => port);
  const producer = startProducer(t, proxy.port);
  const messages = numbered(1000);
  let isBack: Promise<void> | undefined;

  for (const [index, message] of messages.entries()) {
    producer.sendMessage("room", message);
    if (index % 10 === 9) await sleep(1);
    if (index === 300 || index === 600) {
      await isBack;
      // In the middle of what it does; the next one is found later, while messages go on coming.
      port = NOWHERE;
      await server.close();
      ({ server } = await startServer(t, { log }));
      isBack = sleep(50).then(() => void ({ port } = server));
    }
  }
  await until(() => producer.stats.queued === 0);

  t.deepEqual(log.messages, messages);
  t.true(producer.events.filter((event) => event === "connect").length >= 2);
});

test("restart › a connection that is cut at any time, again and again, loses and doubles nothing", async (t) => {
  const { server, log } = await startServer(t);
  let answers = 0;
  const proxy = await startProxy(t, () => server.port, {
    // What the broker has done, and nobody hears of.
    onAnswer: (link, data) => {
      if (++answers % 5 > 0) return data;
      link.cut();
      return Buffer.alloc(0);
    },
  });
  const producer = startProducer(t, proxy.port, { maxReconnectDelayMs: 20 });
  const messages = numbered(1000);
  const run = { isDone: false };

  const cutting = (async () => {
    while (!run.isDone) {
      await sleep(10 + Math.random() * 40);
      proxy.cut();
    }
  })();
  for (const [index, message] of messages.entries()) {
    producer.sendMessage("room", message);
    if (index % 5 === 4) await sleep(1);
  }
  await until(() => producer.stats.queued === 0);
  run.isDone = true;
  await cutting;

  t.deepEqual(log.messages, messages);
  t.true(log.ids.length > new Set(log.ids).size, "some came twice");
});

test("restart › a batch whose confirmation is lost is sent again under the same id", async (t) => {
  const { server, log } = await startServer(t);
  let isCut = false;
  const proxy = await startProxy(t, () => server.port, {
    onAnswer: (link, data) => {
      if (isCut || !data.includes('"result":2}')) return data;
      isCut = true;
      link.cut();
      return Buffer.alloc(0);
    },
  });
  const producer = startProducer(t, proxy.port);

  producer.sendMessage("room", "one");
  await producer.publish("room", "two");

  t.true(isCut);
  t.deepEqual(log.messages, ["one", "two"]);
  t.is(log.ids.length, 2);
  t.is(log.ids[0], log.ids[1]);
  t.regex(String(log.ids[0]), /^gc:[\w-]{22}:\w+$/);
});

test("restart › requests that were not answered are sent again, behind what went before", async (t) => {
  const order: unknown[] = [];
  const sockets: Socket[] = [];
  const { server } = await startServer(t, {
    methods: {
      publish: (params) => void order.push((params as string[][])[0]![1]),
      subscribe: ([, consumerId]) => {
        order.push(consumerId);
        // The first time nobody hears of it.
        if (order.length === 3) for (const socket of sockets) socket.destroy();
        return 1;
      },
    },
  });
  const front = createServer((near) => {
    const far = connect(server.port, HOST);
    sockets.push(near);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => {}).on("close", () => to.destroy());
    }
    near.pipe(far);
    // Answers are late.
    far.on("data", (data) => setTimeout(() => near.destroyed || near.write(data), order.length < 3 ? 30 : 0));
  }).listen(0, HOST);
  await once(front, "listening");
  t.teardown(() => front.close());
  const producer = startProducer(t, (front.address() as AddressInfo).port);
  await once(producer, "connect");

  const joins = [producer.joinRoom("room", "a"), producer.publish("room", "b"), producer.joinRoom("room", "c")];
  await Promise.all(joins);

  t.deepEqual(order, ["a", "b", "c", "a", "b", "c"]);
});

test("restart › what was called for before the first connection is sent when there is one", async (t) => {
  let port = NOWHERE;
  const proxy = await startProxy(t, () => port);
  const producer = startProducer(t, proxy.port);
  for (const message of numbered(120)) producer.sendMessage("room", message);
  const joined = producer.joinRoom("room", "ann");
  await until(() => producer.events.filter((event) => event === "reconnecting").length >= 2);

  const { server, log } = await startServer(t);
  port = server.port;

  t.is(await joined, 1);
  t.deepEqual(log.messages, numbered(120));
  // Once for all attempts.
  t.is(producer.errors.length, 1);
  t.like(producer.errors[0], { code: "GC_BROKER_UNREACHABLE", temporary: true });
});

test("restart › attempts are told, and come later each time up to the longest pause", async (t) => {
  const events: { attempt: number; delayMs: number }[] = [];
  const producer = startProducer(t, 1, { maxReconnectDelayMs: 300 });
  producer.on("reconnecting", (event) => events.push(event));

  await until(() => events.length >= 4);

  t.deepEqual(
    events.slice(0, 4).map(({ attempt }) => attempt),
    [1, 2, 3, 4],
  );
  for (const [index, longest] of [100, 200, 300, 300].entries()) {
    const { delayMs } = events[index]!;
    t.true(delayMs >= longest / 2 && delayMs <= longest, `${delayMs} of ${longest}`);
  }
});

test("restart › a broker that closes each connection is left in peace, too", async (t) => {
  const attempts: number[] = [];
  const { server, errors } = await startServer(t, { maxFrameBytes: 2000 });
  // The broker takes no frame like that.
  const producer = startProducer(t, server.port);
  producer.on("reconnecting", ({ attempt }) => attempts.push(attempt));
  producer.sendMessage("room", "x".repeat(3000));

  await until(() => attempts.length >= 5);

  // That it lets the producer in each time is no reason to begin anew.
  t.deepEqual(attempts.slice(0, 5), [1, 2, 3, 4, 5]);
  t.is(producer.events.filter((event) => event === "connect").length, errors.length);
  t.is(producer.errors.length, 1);
  t.is(producer.stats.queued, 1);
});

test("silence › a connection on which nothing comes is given up for another one", async (t) => {
  const { server, log } = await startServer(t);
  const proxy = await startProxy(t, () => server.port);
  const producer = startProducer(t, proxy.port, { timeoutMs: 500 });
  await producer.publish("room", "one");

  for (const link of proxy.links) link.hold();
  await producer.publish("room", "two");

  t.deepEqual(log.messages, ["one", "two"]);
  t.regex(producer.errors[0]!.message, /nothing came for 500 ms/);
});

test("silence › a broker that takes the connection and says nothing is given up, too", async (t) => {
  let count = 0;
  const mute = createServer((socket) => {
    count++;
    socket.on("error", () => {});
  }).listen(0, HOST);
  await once(mute, "listening");
  t.teardown(() => mute.close());
  const producer = startProducer(t, (mute.address() as AddressInfo).port, { timeoutMs: 50 });

  await until(() => count >= 3);

  t.like(producer.errors[0], { code: "GC_BROKER_UNREACHABLE" });
});

test("silence › an idle connection is kept", async (t) => {
  const { server } = await startServer(t);
  const producer = startProducer(t, server.port, { timeoutMs: 2000 });
  await producer.publish("room", "one");

  await sleep(2500);
  await producer.publish("room", "two");

  t.deepEqual(
    producer.events.filter((event) => event !== "drain"),
    ["connect"],
  );
});

for (const [what, bytes] of [
  ["no frame", "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ["a frame that is no JSON", "$2\r\n{]\r\n"],
  ["an oversized frame", "$99999999\r\n"],
  ["an error without a code", '$33\r\n{"jsonrpc":"2.0","id":1,"error":1}\r\n'.replace("$33", "$34")],
] as const) {
  test(`answers › ${what} is told, and the connection given up`, async (t) => {
    let count = 0;
    const wrong = createServer((socket) => {
      count++;
      socket.on("error", () => {}).write(bytes);
    }).listen(0, HOST);
    await once(wrong, "listening");
    t.teardown(() => wrong.close());
    const producer = startProducer(t, (wrong.address() as AddressInfo).port);

    await until(() => count >= 2);

    t.like(producer.errors[0], { code: "GC_PROTOCOL_ERROR" });
  });
}

test("old broker › one that goes away gets what it has not confirmed", async (t) => {
  const broker = await startOldBroker(t);
  const proxy = await startProxy(t, () => broker.port);
  const producer = startProducer(t, proxy.port);
  const messages = numbered(500);

  for (const [index, message] of messages.entries()) {
    producer.sendMessage("room", message);
    if (index % 50 === 49) await sleep(1);
    if (index === 250) proxy.cut();
  }
  await until(() => producer.stats.queued === 0);

  // At least once: those of the batch that was under way maybe twice.
  const first = [...new Set(broker.messages)];
  t.deepEqual(first, messages);
  t.true(broker.messages.length <= 550);
});
