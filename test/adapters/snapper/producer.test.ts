import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { ProducerOptions } from "../../../src/adapters/snapper/producer/options.js";
import { Producer } from "../../../src/adapters/snapper/producer/producer.js";
import { TokenVerifier } from "../../../src/adapters/snapper/tokens/token-verifier.js";
import { GlobalChannelError } from "../../../src/errors.js";
import { Deferred, until } from "../../connectors/websocket-support.js";
import { diagnosticsOf } from "../../support/diagnostics.js";
import { HOST, numbered, SECRET, startOldBroker, startProducer, startServer } from "./support.js";

const OPTIONS: ProducerOptions = { producerId: "tests", secretKeys: [SECRET] };
/** Nobody listens there. */
const NOWHERE = 1;

test("messages › come in the order of the calls, in batches of up to 50", async (t) => {
  const { server, log } = await startServer(t);
  const producer = startProducer(t, server.port);
  const messages = numbered(1000);

  for (const message of messages) t.is(producer.sendMessage("room", message), producer);
  await once(producer, "drain");

  t.deepEqual(log.messages, messages);
  t.is(log.ids.length, 20);
  t.is(new Set(log.ids).size, 20);
  t.deepEqual(producer.stats, { isConnected: true, queued: 0 });
});

test("messages › publish resolves when the broker has confirmed it", async (t) => {
  const going = new Deferred<void>();
  const { server, log } = await startServer(t, {
    methods: {
      publish: async (params, { id }) => {
        await going.promise;
        return log.publish(params, id);
      },
    },
  });
  const producer = startProducer(t, server.port);
  let isDone = false;

  const published = producer.publish("room", "\u2028 é 💥 \ud800").then(() => (isDone = true));
  await once(producer, "connect");
  await sleep(30);
  t.false(isDone);
  t.is(producer.stats.queued, 1);
  going.resolve();
  await published;

  // A lone surrogate is no text of UTF-8, but one of JSON.
  t.deepEqual(log.messages, ["\u2028 é 💥 \ud800"]);
});

test("messages › and requests are done in the order of the calls", async (t) => {
  const order: unknown[] = [];
  const { server } = await startServer(t, {
    methods: {
      publish: (params) => void order.push(...(params as string[][]).map(([, message]) => message)),
      subscribe: ([, consumerId]) => order.push(consumerId),
      unsubscribe: ([, consumerId]) => order.push(consumerId),
    },
  });
  const producer = startProducer(t, server.port);
  const wanted: string[] = [];

  const requests: Promise<unknown>[] = [];
  for (let i = 0; i < 300; i++) {
    const name = `${i}`;
    wanted.push(name);
    if (i % 7 === 3) requests.push(producer.joinRoom("room", name));
    else if (i % 7 === 5) requests.push(producer.leaveRoom("room", name));
    else producer.sendMessage("room", name);
  }
  await Promise.all(requests);
  await producer.close();

  t.deepEqual(order, wanted);
});

test("messages › bad ones are refused at once, and nothing is sent", async (t) => {
  const { server, log } = await startServer(t);
  const producer = startProducer(t, server.port, { maxMessageBytes: 100 });
  const bad: unknown[][] = [
    ["", "message"],
    ["room", ""],
    [undefined, "message"],
    ["room", undefined],
    ["room", { e: "message" }],
    [7, "message"],
    ["room", 7],
    ["r".repeat(1025), "message"],
    ["\ud800", "message"],
  ];

  for (const [room, message] of bad as [string, string][]) {
    t.throws(() => producer.sendMessage(room, message), { code: "GC_INVALID_ARGUMENT" });
    await t.throwsAsync(producer.publish(room, message), { code: "GC_INVALID_ARGUMENT" });
  }
  t.throws(() => producer.sendMessage("room", "x".repeat(100)), { code: "GC_MESSAGE_TOO_LARGE" });
  await producer.publish("room", "x".repeat(80));
  t.is(log.messages.length, 1);
});

test("messages › those that go together are no more than maxMessageBytes", async (t) => {
  const sizes: number[] = [];
  const { server } = await startServer(t, { methods: { publish: (params) => void sizes.push(params.length) } });
  const producer = startProducer(t, server.port, { maxMessageBytes: 1000 });

  for (let i = 0; i < 10; i++) producer.sendMessage("room", "x".repeat(400));
  await once(producer, "drain");

  t.deepEqual(sizes, [2, 2, 2, 2, 2]);
});

for (const [limits, accepted] of [
  [{ maxQueuedMessages: 100 }, 100],
  // `["room","message"]` is 18 bytes.
  [{ maxQueuedBytes: 1800 }, 100],
] as const) {
  const title = Object.keys(limits).join();
  test(`queue › more than ${title} is refused, and nothing that was taken is lost`, async (t) => {
    const lags = diagnosticsOf(t, "globalchannel:lag");
    const going = new Deferred<void>();
    const { server, log } = await startServer(t, {
      methods: {
        publish: async (params, { id }) => {
          await going.promise;
          return log.publish(params, id);
        },
      },
    });
    const producer = startProducer(t, server.port, limits);

    for (let i = 0; i < accepted; i++) producer.sendMessage("room", "message");
    const error = t.throws(() => producer.sendMessage("room", "message"), { code: "GC_OVERLOADED" });
    t.true((error as GlobalChannelError).temporary);
    await t.throwsAsync(producer.publish("room", "message"), { code: "GC_OVERLOADED" });
    await t.throwsAsync(producer.joinRoom("room", "ann"), { code: "GC_OVERLOADED" });
    await once(producer, "connect");
    t.throws(() => producer.sendMessage("room", "message"), { code: "GC_OVERLOADED" });
    t.is(lags.filter(({ source, queue }) => source === producer && queue === "messages").length, 1);

    going.resolve();
    await once(producer, "drain");
    t.is(log.messages.length, accepted);
    await producer.publish("room", "one more");
  });
}

test("requests › resolve what the broker answers, by promise and by callback", async (t) => {
  const { server, calls } = await startServer(t);
  const producer = startProducer(t, server.port);
  const called = new Deferred<unknown[]>();

  t.is(await producer.joinRoom("room", "ann", (error, result) => called.resolve([error, result])), 1);
  t.deepEqual(await called.promise, [null, 1]);
  t.is(await producer.leaveRoom("room", "ann"), 0);
  t.deepEqual(await producer.request("echo", [1, "é"]), [1, "é"]);
  t.deepEqual(calls, [
    ["subscribe", "room", "ann"],
    ["unsubscribe", "room", "ann"],
  ]);
});

test("requests › that fail say so once, to whoever asks", async (t) => {
  const { server } = await startServer(t);
  const producer = startProducer(t, server.port);
  const failed = new Deferred<Error | null>();

  const unknown = await t.throwsAsync(producer.request("unknown"), { code: "GC_BROKER_ERROR", message: /-32601/ });
  t.false((unknown as GlobalChannelError).temporary);
  // Nobody handles the promise.
  void producer.joinRoom("", "ann", (error) => failed.resolve(error));
  t.like(await failed.promise, { code: "GC_INVALID_ARGUMENT" });
  await t.throwsAsync(producer.leaveRoom("room", ""), { code: "GC_INVALID_ARGUMENT" });
  await t.throwsAsync(producer.request("echo", {} as unknown[]), { code: "GC_INVALID_ARGUMENT" });
  await t.throwsAsync(producer.request("echo", [1n]), { code: "GC_MESSAGE_NOT_SERIALIZABLE" });
  t.deepEqual(producer.errors, []);
});

test("requests › that are not sent, or not answered, in time fail, and count no more", async (t) => {
  const { server } = await startServer(t, { methods: { wait: () => new Promise(() => {}) }, closeTimeoutMs: 10 });
  const producer = startProducer(t, server.port, { timeoutMs: 2000 });
  await once(producer, "connect");
  const lonely = startProducer(t, NOWHERE, { timeoutMs: 100 });

  await Promise.all([
    t.throwsAsync(producer.request("wait"), { code: "GC_TIMEOUT" }),
    t.throwsAsync(lonely.joinRoom("room", "ann"), { code: "GC_BROKER_UNREACHABLE" }),
  ]);

  t.is(producer.stats.queued, 0);
  t.is(lonely.stats.queued, 0);
});

test("refusals › a batch that the broker refuses is told, and does not hold up the others", async (t) => {
  const { server, log } = await startServer(t, {
    methods: {
      publish: (params, { id }) => {
        if ((params as string[][]).some(([room]) => room === "bad")) {
          throw new GlobalChannelError("GC_INVALID_ARGUMENT", "a bad room");
        }
        return log.publish(params, id);
      },
    },
  });
  const producer = startProducer(t, server.port);

  producer.sendMessage("room", "first");
  await once(producer, "drain");
  producer.sendMessage("bad", "lost");
  await t.throwsAsync(producer.publish("bad", "refused"), { code: "GC_BROKER_ERROR", message: /a bad room/ });
  await producer.publish("room", "last");

  t.deepEqual(log.messages, ["first", "last"]);
  t.is(producer.errors.length, 1);
  t.like(producer.errors[0], { code: "GC_BROKER_ERROR", temporary: false });
  t.regex(producer.errors[0]!.message, /of 2 messages, they are lost/);
});

test("refusals › what is temporary is sent again under the same id, and told once", async (t) => {
  let failures = 3;
  const ids: unknown[] = [];
  const { server, log } = await startServer(t, {
    methods: {
      publish: (params, { id }) => {
        ids.push(id);
        if (failures-- > 0) throw new GlobalChannelError("GC_STORE_UNAVAILABLE", "no Redis");
        return log.publish(params, id);
      },
    },
  });
  const producer = startProducer(t, server.port);

  producer.sendMessage("room", "one");
  await once(producer, "connect");
  await producer.publish("room", "two");

  t.deepEqual(log.messages, ["one", "two"]);
  t.is(ids.length, 5);
  t.is(new Set(ids.slice(0, 4)).size, 1);
  t.is(producer.errors.length, 1);
  t.like(producer.errors[0], { code: "GC_BROKER_ERROR", temporary: true });
});

test("token › one that is refused is told, and not tried again in a tight loop", async (t) => {
  const { server, errors } = await startServer(t);
  const producer = startProducer(t, server.port, { secretKeys: ["another"], maxReconnectDelayMs: 200 });
  producer.sendMessage("room", "message");

  await until(() => producer.errors.length >= 1);
  const startedAt = performance.now();
  await until(() => producer.errors.length >= 4);

  t.true(performance.now() - startedAt >= 3 * 200 - 50);
  t.true(errors.length <= producer.errors.length + 1);
  for (const error of producer.errors) t.like(error, { code: "GC_INVALID_TOKEN" });
  t.is(producer.stats.queued, 1);
});

test("token › RSA and ECDSA keys sign, and an old broker takes it", async (t) => {
  for (const [algorithm, keys] of [
    ["RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })],
    ["ES256", generateKeyPairSync("ec", { namedCurve: "prime256v1" })],
  ] as const) {
    const secretKeys = keys.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    const publicKey = keys.publicKey.export({ type: "spki", format: "pem" }) as string;
    const verifier = new TokenVerifier(publicKey, algorithm);
    const { server } = await startServer(t, { authenticate: (token) => verifier.verify(token) });
    const old = await startOldBroker(t, [publicKey], algorithm);

    for (const port of [server.port, old.port]) {
      const producer = startProducer(t, port, { secretKeys, algorithm });
      t.deepEqual(await producer.request("echo", ["x"]), ["x"]);
      t.is(verifier.verify(producer.signAuth({ userId: "ann" }))["userId"], "ann");
    }
  }
});

test("token › signAuth works without a connection, and for expiresInSeconds", (t) => {
  const producer = startProducer(t, NOWHERE, { expiresInSeconds: 100 });

  const payload = new TokenVerifier(SECRET).verify(producer.signAuth({ userId: "ann", role: "x" }));

  t.like(payload, { userId: "ann", role: "x" });
  t.true(Math.abs(payload.exp - Date.now() / 1000 - 100) <= 2);
  t.throws(() => producer.signAuth(null as unknown as object), { code: "GC_INVALID_ARGUMENT" });
});

test("close › waits until everything is confirmed, and is done once", async (t) => {
  const { server, log } = await startServer(t);
  const producer = startProducer(t, server.port, { closeTimeoutMs: 20_000 });
  for (const message of numbered(500)) producer.sendMessage("room", message);
  const published = producer.publish("room", "500");

  const closing = producer.close();
  t.is(producer.close(), closing);
  t.throws(() => producer.sendMessage("room", "late"), { code: "GC_CLOSED" });
  await t.throwsAsync(producer.publish("room", "late"), { code: "GC_CLOSED" });
  await t.throwsAsync(producer.joinRoom("room", "late"), { code: "GC_CLOSED" });

  t.is(await closing, 0);
  await published;
  t.deepEqual(log.messages, numbered(501));
  await until(() => server.connections === 0);
  await until(() => producer.events.at(-1) === "close");
  t.deepEqual(producer.errors, []);
});

test("close › what is not confirmed in time is told, and fails", async (t) => {
  const { server } = await startServer(t, { methods: { publish: () => new Promise(() => {}) }, closeTimeoutMs: 10 });
  for (const port of [server.port, NOWHERE]) {
    const producer = startProducer(t, port, { closeTimeoutMs: 300 });
    for (const message of numbered(60)) producer.sendMessage("room", message);
    const published = producer.publish("room", "61");
    const joined = producer.joinRoom("room", "ann");
    const failures = Promise.all([
      t.throwsAsync(published, { code: "GC_CLOSED" }),
      t.throwsAsync(joined, { code: "GC_CLOSED" }),
    ]);

    t.is(await producer.close(), 62);
    await failures;
    await until(() => producer.events.includes("close"));
    t.like(producer.errors.at(-1), { code: "GC_TIMEOUT" });
    t.regex(producer.errors.at(-1)!.message, /not confirmed 62 messages/);
    t.is(producer.stats.queued, 0);
  }
});

test("close › ends what waits to be sent again", async (t) => {
  const { server } = await startServer(t, {
    methods: {
      publish: () => {
        throw new GlobalChannelError("GC_STORE_UNAVAILABLE", "no Redis");
      },
    },
  });
  const producer = startProducer(t, server.port, { maxReconnectDelayMs: 60_000 });
  const published = t.throwsAsync(producer.publish("room", "message"), { code: "GC_CLOSED" });
  await until(() => producer.errors.length > 0);

  await producer.close();

  await published;
  t.is(producer.stats.queued, 0);
});

test("close › is what `await using` does", async (t) => {
  const { server } = await startServer(t);
  const producer = startProducer(t, server.port);
  await producer[Symbol.asyncDispose]();
  t.throws(() => producer.sendMessage("room", "late"), { code: "GC_CLOSED" });
});

test.serial("errors › nobody listens to are warnings of the process, which goes on", async (t) => {
  const warnings: Error[] = [];
  const listener = (warning: Error): void => void warnings.push(warning);
  process.on("warning", listener);
  t.teardown(() => process.off("warning", listener));
  const told = diagnosticsOf(t, "globalchannel:error");

  const producer = new Producer(NOWHERE, { ...OPTIONS, closeTimeoutMs: 0 });
  await until(() => warnings.some(({ message }) => message.includes("ECONNREFUSED")));

  t.true(told.some(({ source }) => source === producer));
  await producer.close();
});

test("arguments › the host is a name, an address, or a URL with one", async (t) => {
  const { server } = await startServer(t);
  for (const host of [HOST, "localhost", "http://127.0.0.1", "http://localhost/", "tcp://127.0.0.1", undefined]) {
    const producer = new Producer(server.port, host, OPTIONS);
    t.deepEqual(await producer.request("echo", [host ?? ""]), [host ?? ""]);
    await producer.close();
  }
  const producer = new Producer(server.port, OPTIONS);
  t.deepEqual(await producer.request("echo", []), []);
  await producer.close();
});

test("arguments › what is wrong is refused, and a secret is not told", (t) => {
  const make =
    (...args: unknown[]) =>
    () =>
      new (Producer as new (...all: unknown[]) => Producer)(...args);
  for (const port of [undefined, 0, 65_536, 1.5, "7700", null]) {
    t.throws(make(port, HOST, OPTIONS), { code: "GC_INVALID_ARGUMENT" });
  }
  for (const host of [
    "",
    "a b",
    "https://a.example",
    "http://a.example:80000",
    "http://a.example:99",
    "ftp://a",
    7,
    "::1]",
  ]) {
    t.throws(make(7700, host, OPTIONS), { code: "GC_INVALID_ARGUMENT" }, String(host));
  }
  for (const options of [
    undefined,
    null,
    {},
    { ...OPTIONS, producerId: "" },
    { ...OPTIONS, secretKeys: [] },
    { ...OPTIONS, secretKeys: "" },
    { ...OPTIONS, algorithm: "none" },
    { ...OPTIONS, algorithm: "RS256" },
    { ...OPTIONS, expiresInSeconds: 0 },
    { ...OPTIONS, maxQueuedMessages: 0 },
    { ...OPTIONS, timeoutMs: Number.NaN },
    { ...OPTIONS, expiresIn: 60 },
  ]) {
    const { message } = t.throws(make(7700, HOST, options), { code: "GC_INVALID_OPTION" });
    t.false(message.includes(SECRET));
  }
});

test("old broker › takes messages and requests, and confirms both", async (t) => {
  const broker = await startOldBroker(t);
  const producer = startProducer(t, broker.port);

  for (const message of numbered(120)) producer.sendMessage("room", message);
  await producer.publish("room", "120");
  t.is(await producer.joinRoom("room", "ann"), 1);
  t.is(await producer.leaveRoom("room", "ann"), 1);
  await t.throwsAsync(producer.request("unknown"), { code: "GC_BROKER_ERROR" });

  t.deepEqual(broker.messages, numbered(121));
  t.deepEqual(producer.errors, []);
});

test("old broker › one with another secret refuses it", async (t) => {
  const broker = await startOldBroker(t, ["another"]);
  const producer = startProducer(t, broker.port);

  await until(() => producer.errors.length > 0);

  t.like(producer.errors[0], { code: "GC_INVALID_TOKEN" });
});
