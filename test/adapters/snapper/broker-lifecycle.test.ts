import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { Broker, type BrokerOptions } from "../../../src/adapters/snapper/index.js";
import { memory } from "../../../src/memory.js";
import { redis } from "../../../src/redis/index.js";
import { eventually } from "../../cluster/cluster.js";
import { until } from "../../connectors/websocket-support.js";
import { startProcess } from "../../support/process.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import type { BrokerProcess } from "./broker-process.js";
import { BROKER_OPTIONS, connectConsumer, range, RawConsumer, startBroker, tokenOf } from "./broker-support.js";
import { HOST, RawClient, SECRET, startProducer } from "./support.js";

// How a broker begins and ends.

let store: RedisServer;
test.before(async () => {
  store = await startRedis();
});
test.after.always(() => store?.stop());

test("stop answers what is under way, closes all, and leaves nothing to another broker but where consumers are", async (t) => {
  const cluster = (): Partial<BrokerOptions> => ({ cluster: redis(store.url, { prefix: "stops" }) });
  const [one, two] = [await startBroker(t, cluster()), await startBroker(t, cluster())];
  const producer = startProducer(t, one.rpcPort, { closeTimeoutMs: 0 });
  const [ann, bob] = [
    await connectConsumer(t, one.port),
    await RawConsumer.open(t, one.port, tokenOf("bob"), ["polling"]),
  ];
  ann.stayAway();
  await producer.joinRoom("room", ann.id);
  const published = range(100).map((n) => producer.publish("room", String(n)));
  await published[50];

  const startedAt = performance.now();
  const stopping = one.stop();
  t.is(one.stop(), stopping);
  await stopping;

  t.true(performance.now() - startedAt < 4000);
  await until(() => !ann.connected && bob.isClosed);
  t.false(producer.stats.isConnected);
  await t.throwsAsync(one.start(), { code: "GC_CLOSED" });
  t.throws(() => one.port, { code: "GC_NOT_STARTED" });
  const confirmed = 100 - producer.stats.queued;
  const again = await connectConsumer(t, two.port, { token: ann.token });
  await until(() => ann.messages.length + again.messages.length >= confirmed);
  t.deepEqual([...new Set([...ann.messages, ...again.messages])], range(ann.messages.length + again.messages.length));
  for (const publish of published) publish.catch(() => {});
});

test("a process whose broker has stopped ends by itself: nothing is left of it", async (t) => {
  const args = [store.url, "leftovers", JSON.stringify(BROKER_OPTIONS)];
  const broker = await startProcess<BrokerProcess>(new URL("broker-process.ts", import.meta.url), { args });
  t.teardown(() => broker.kill());
  const { port, rpcPort } = await broker.call("start");
  const producer = startProducer(t, rpcPort);
  const consumers = [
    await RawConsumer.open(t, port, tokenOf("ann"), ["polling"]),
    await RawConsumer.open(t, port, tokenOf("bob"), ["websocket"]),
  ];
  await producer.publish("userann", "1");
  await RawClient.open(t, rpcPort);
  await until(() => consumers[0]!.batches.length === 1);

  await broker.call("stop");

  // Sockets that are closed are gone a moment later.
  await eventually(async () => isDeepStrictEqual(await broker.call("handles"), []), 3000);
  t.pass();
});

for (const port of ["port", "rpcPort"] as const) {
  test(`where the ${port} is in use start throws, and undoes everything`, async (t) => {
    const taken = createServer().listen(0, HOST);
    t.teardown(() => taken.close());
    await once(taken, "listening");
    const number = (taken.address() as AddressInfo).port;
    const client = new Redis(store.url);
    t.teardown(() => client.quit());
    const prefix = `taken-${port}`;
    const broker = new Broker({ ...BROKER_OPTIONS, [port]: number, sid: "s", cluster: redis(store.url, { prefix }) });

    await t.throwsAsync(broker.start(), { code: "EADDRINUSE" });

    await t.throwsAsync(broker.start(), { code: "GC_CLOSED" });
    for (const name of ["port", "rpcPort"] as const) t.throws(() => broker[name], { code: "GC_NOT_STARTED" });
    const next = await startBroker(t, { sid: "s", cluster: redis(store.url, { prefix }) });
    t.true(next.port > 0);
  });
}

test("where Redis cannot be reached start throws, and undoes everything", async (t) => {
  const cluster = redis({ host: HOST, port: 1, retryStrategy: () => null }, { prefix: "none" });
  const broker = new Broker({ ...BROKER_OPTIONS, cluster });
  await t.throwsAsync(broker.start(), { code: "GC_STORE_UNAVAILABLE" });
  await broker.stop();
});

test("stop without start, and amid it, ends well", async (t) => {
  const never = new Broker(BROKER_OPTIONS);
  await never.stop();
  await t.throwsAsync(never.start(), { code: "GC_CLOSED" });

  const broker = new Broker(BROKER_OPTIONS);
  const starting = broker.start();
  await broker.stop();
  await Promise.allSettled([starting]);
  t.throws(() => broker.port, { code: "GC_NOT_STARTED" });
  t.throws(() => broker.rpcPort, { code: "GC_NOT_STARTED" });

  await using disposed = new Broker(BROKER_OPTIONS);
  await disposed.start();
});

test("stop in any moment of a start leaves no port open", async (t) => {
  let refused = 0;
  for (let turns = 0; turns < 40; turns++) {
    // A name takes longer to listen at than an address.
    const broker = new Broker({ ...BROKER_OPTIONS, host: "localhost" });
    const starting = broker.start();
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    await broker.stop();
    const [started] = await Promise.allSettled([starting]);
    if (started.status === "rejected") {
      refused++;
      t.like(started.reason, { code: "GC_CLOSED" });
    }
    for (const name of ["port", "rpcPort"] as const) t.throws(() => broker[name], { code: "GC_NOT_STARTED" });
  }
  t.true(refused > 0 && refused < 40, `${refused} of 40 were stopped while they started`);
});

const { tokens: _tokens, history: _history, ...bare } = memory();
const times = [-1, Number.NaN, Number.POSITIVE_INFINITY, "100", 2 ** 31, {}];
const amounts = [-1, 0, 1.5, Number.NaN, "1", {}];
const sizes = [-1, 0, Number.NaN, "1", {}];
const names = ["", 1, {}, "x".repeat(1025), "\ud800"];

const BAD: Record<keyof BrokerOptions, readonly unknown[]> = {
  port: [-1, 65_536, 1.5, "80", Number.NaN, {}],
  rpcPort: [-1, 65_536, 1.5, "80", Number.NaN, {}],
  host: names,
  secretKeys: [undefined, "", [], [""], 1, {}, ["a", 1], "-----BEGIN PUBLIC KEY-----"],
  algorithm: ["none", "HS1", "hs256", "", 1, {}],
  cluster: [{}, 1, "redis://localhost", bare, { ...memory(), subscribers: undefined }],
  sid: names,
  stype: names,
  path: ["", "/", "websocket", "/a?b", "/a#b", 1, {}],
  keepMs: [...times, 0, 13 * 24 * 60 * 60 * 1000],
  formerKeepMs: times,
  maxQueued: [...amounts, 100_001],
  maxBatch: [...amounts, 10_001],
  ackTimeoutMs: times,
  maxFrameBytes: sizes,
  maxConsumerMessageBytes: sizes,
  pingIntervalMs: times,
  pingTimeoutMs: times,
  onError: [1, "f", {}],
};

for (const [option, values] of Object.entries(BAD)) {
  test(`a bad ${option} is refused, by name`, (t) => {
    for (const value of values) checkRefused(t, { ...BROKER_OPTIONS, [option]: value }, option, value);
  });
}

test("no options, and one that there is not, are refused", (t) => {
  checkRefused(t, undefined);
  checkRefused(t, null);
  checkRefused(t, {});
  checkRefused(t, { secretKeys: SECRET, portt: 1 }, "portt");
});

function checkRefused(t: ExecutionContext, options: unknown, option?: string, value?: unknown): void {
  const error = t.throws(
    () => new Broker(options as BrokerOptions),
    { code: "GC_INVALID_OPTION" } as never,
    String(value),
  );
  if (option !== undefined)
    t.true((error as Error | undefined)?.message.includes(option), (error as Error | undefined)?.message);
  t.false((error as Error | undefined)?.message.includes(SECRET));
}
