import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { WebSocket } from "ws";
import { encodeFrame } from "../../../src/adapters/snapper/wire/encode-frame.js";
import { until } from "../../connectors/websocket-support.js";
import { unhandled } from "../../support/unhandled.js";
import { connectConsumer, PATH, range, startBroker, tokenOf } from "./broker-support.js";
import { HOST, startProducer, TOKEN } from "./support.js";

// Whatever is sent to either port closes that connection at most: a producer and a consumer go on meanwhile, without an error.

const FUZZ_MS = Number(process.env["SNAPPER_FUZZ_MS"] ?? 20_000);

/** How many clients send at the same time. */
const CLIENTS = 8;

/** How much more memory may be in use at the end, in bytes. */
const MAX_GROWTH_BYTES = 150 * 1024 * 1024;

/** Numbers that are the same in each run. */
class Random {
  #state = 1;

  below(limit: number): number {
    // A linear congruential generator, with the numbers of Numerical Recipes.
    this.#state = (this.#state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  bytes(length: number): Buffer {
    return Buffer.from(range(length).map(() => this.below(256)));
  }
}

const random = new Random();

const deep = (depth: number, open = "[", close = "]"): string => open.repeat(depth) + close.repeat(depth);
const call = (message: object): Buffer => encodeFrame(JSON.stringify({ jsonrpc: "2.0", ...message }));

/** What a producer might send, or nobody should. */
const FRAMES: (() => Buffer)[] = [
  () => random.bytes(1 + random.below(500)),
  () => Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  () => Buffer.from(`$${random.below(2 ** 31)}\r\n`),
  () => Buffer.from(`$99999999999\r\n`),
  () => encodeFrame("x".repeat(20_000)),
  () => encodeFrame(deep(random.below(5000))),
  () => call({ id: 1, method: "echo", params: JSON.parse(deep(1 + random.below(98))) as unknown }),
  () =>
    call({
      id: random.below(100),
      method: random.of(["publish", "subscribe", "unsubscribe", "consumers", "x", "constructor"]),
      params: random.of([
        [],
        [[]],
        [1],
        [null, null],
        ["", ""],
        ["room"],
        [["a", "b"], 1],
        {},
        ["fuzz", "x".repeat(5000)],
        ["\ud800", "a"],
      ]),
    }),
  () => call({ method: "publish", params: range(random.below(200)).map((n) => [`fuzz ${n % 7}`, String(n)]) }),
  () => call({ id: 1, method: "auth", params: [random.of([TOKEN, "", 1, "x".repeat(9000), tokenOf("ann")])] }),
  () => Buffer.from("*3\r\n$3\r\nSET\r\n"),
];

/** Half of something, mostly. */
function piece(bytes: Buffer): Buffer {
  return random.below(3) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

/** Resolves when it is closed, also by an error, which `once` of Node.js rejects with. */
function closeOf(socket: { once(event: "close", listener: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

async function attackRpc(port: number): Promise<void> {
  const socket = connect(port, HOST);
  socket.on("error", () => {});
  const closed = closeOf(socket);
  if (random.below(2) === 0) socket.write(call({ id: 0, method: "auth", params: [TOKEN] }));
  for (const _ of range(1 + random.below(6))) socket.write(piece(random.of(FRAMES)()));
  await Promise.race([closed, sleep(random.below(40))]);
  random.of([() => socket.destroy(), () => socket.end(), () => socket.resetAndDestroy()])();
  // One that has been ended, and waits for the rest of a frame, is to be closed by nobody else.
  await Promise.race([closed, sleep(100)]);
  socket.destroy();
}

const QUERIES: (() => string)[] = [
  () => "",
  () => `?${"a=b&".repeat(random.below(3000))}`,
  () => `?token=${"x".repeat(random.below(12_000))}`,
  () => `?EIO=4&transport=polling&token=${tokenOf(random.of(["fuzz", {}, "", 1, "😀"]))}`,
  () =>
    `?EIO=${random.of(["3", "4", "9", "x", ""])}&transport=${random.of(["polling", "websocket", "webtransport", "constructor", ""])}&token=${tokenOf("fuzz")}&sid=${random.of(["", "x", "__proto__", "stats:a", "%00", "%ff%fe", "x".repeat(5000)])}`,
  () => `?EIO=4&EIO=3&transport=polling&transport=websocket&sid=a&sid=b&token=a&token=${tokenOf("fuzz")}`,
  () => `?j=0&EIO=3&b64=1&transport=polling&token=${tokenOf("fuzz")}`,
  () => "?%",
  () => "#a?b",
];

async function attackHttp(port: number): Promise<void> {
  const path = random.of([PATH, `${PATH}/`, "/", "/stats", "/../..", "*", `http://[::1${PATH}`, `//${PATH}`, "/%"]);
  const method = random.of(["GET", "GET", "POST", "PUT", "OPTIONS", "HEAD", "CONNECT", "TRACE", "X"]);
  const headers = random.of([
    "",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Upgrade: websocket\r\nConnection: Upgrade\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade\r\n",
    "Content-Length: 100\r\n",
    "Transfer-Encoding: chunked\r\n",
    `Cookie: snapper.ws=${"x".repeat(random.below(5000))}\r\n`,
    "Cookie: snapper.ws=t.abc; snapper.ws=\r\nOrigin: \u0001\r\n",
  ]);
  const socket = connect(port, HOST);
  socket.on("error", () => {});
  const closed = closeOf(socket);
  const request = Buffer.from(`${method} ${path}${random.of(QUERIES)()} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
  socket.write(piece(request));
  if (random.below(2) === 0) socket.write(random.bytes(random.below(2000)));
  await Promise.race([closed, sleep(random.below(60))]);
  socket.destroy();
}

/** What a consumer might send: of Engine.IO, and in it. */
const PACKETS: (() => string | Buffer)[] = [
  () => `${random.below(10)}${random.bytes(random.below(30)).toString("latin1")}`,
  () => "",
  () => "2probe",
  () => "5",
  () => "1",
  () => "6",
  () => `4${deep(random.below(20_000))}`,
  () => `4{"jsonrpc":"2.0","id":"${"x".repeat(random.below(400))}","method":"echo","params":${deep(random.below(90))}}`,
  () =>
    `4${JSON.stringify({ jsonrpc: "2.0", id: random.of([1, "a", null, {}, -1]), result: random.of(["OK", null, 1]) })}`,
  () => `4${JSON.stringify({ id: 1, method: "echo", params: ["x".repeat(random.below(60_000))] })}`,
  () => `4${"x".repeat(70_000)}`,
  () => random.bytes(random.below(300)),
];

async function attackAsConsumer(port: number): Promise<void> {
  const query = `EIO=${random.of(["3", "4"])}&transport=websocket&token=${tokenOf(`fuzz ${random.below(5)}`)}`;
  const socket = new WebSocket(`ws://${HOST}:${port}${PATH}/?${query}`);
  socket.on("error", () => {});
  const closed = closeOf(socket);
  await Promise.race([closed, once(socket, "open").catch(() => {})]);
  for (const _ of range(random.below(20))) {
    if (socket.readyState === WebSocket.OPEN) socket.send(random.of(PACKETS)());
  }
  await Promise.race([closed, sleep(random.below(60))]);
  random.of([() => socket.terminate(), () => socket.close()])();
  await Promise.race([closed, sleep(100)]);
  socket.terminate();
}

test.serial("whatever comes closes its own connection at most", async (t) => {
  t.timeout(FUZZ_MS + 60_000);
  const seen = unhandled(t);
  const { port, rpcPort } = await startBroker(t, { maxFrameBytes: 16_384, onError: () => {} });
  const producer = startProducer(t, rpcPort);
  const [ann, bob] = [await connectConsumer(t, port), await connectConsumer(t, port, { transports: ["polling"] })];
  for (const { id } of [ann, bob]) await producer.joinRoom("room", id);
  const heapBefore = process.memoryUsage().heapUsed;
  const overAt = performance.now() + FUZZ_MS;
  const isOver = (): boolean => performance.now() > overAt;

  let attacks = 0;
  const attacking = range(CLIENTS).map(async (client) => {
    const attack = [attackRpc, attackHttp, attackAsConsumer][client % 3]!;
    while (!isOver()) {
      await attack(attack === attackRpc ? rpcPort : port);
      attacks++;
    }
  });
  // Connections that say nothing.
  const silent = range(200).map((n) => connect(n % 2 === 0 ? port : rpcPort, HOST).on("error", () => {}));
  let sent = 0;
  let slowest = 0;
  while (!isOver()) {
    const startedAt = performance.now();
    await producer.publish("room", String(sent++));
    slowest = Math.max(slowest, performance.now() - startedAt);
    await sleep(10);
  }
  await Promise.all(attacking);
  for (const socket of silent) socket.destroy();

  await until(() => [ann, bob].every(({ messages }) => messages.length === sent));
  for (const consumer of [ann, bob]) {
    t.deepEqual(consumer.messages, range(sent));
    t.is(consumer.opens, 1);
    t.deepEqual(consumer.errors, []);
  }
  t.deepEqual(producer.errors, []);
  t.deepEqual(seen, []);
  t.log(`${attacks} connections, ${sent} messages, the slowest took ${Math.round(slowest)} ms`);
  const growth = process.memoryUsage().heapUsed - heapBefore;
  t.true(growth < MAX_GROWTH_BYTES, `${growth} bytes more`);
});

test.serial("a consumer that asks and reads nothing is disconnected, before it takes much memory", async (t) => {
  const { port } = await startBroker(t, { onError: () => {} });
  const socket = new WebSocket(`ws://${HOST}:${port}${PATH}/?EIO=4&transport=websocket&token=${tokenOf("ann")}`);
  t.teardown(() => socket.terminate());
  await once(socket, "open");
  socket.on("error", () => {});
  const closed = closeOf(socket);
  socket.pause();
  const before = process.memoryUsage().rss;

  const message = `4${JSON.stringify({ id: 1, method: "echo", params: ["x".repeat(60_000)] })}`;
  for (let sent = 0; sent < 3000 && socket.readyState === WebSocket.OPEN; sent++) {
    await new Promise((resolve) => socket.send(message, resolve));
  }
  socket.resume();

  await closed;
  t.true(process.memoryUsage().rss - before < 150 * 1024 * 1024, `${process.memoryUsage().rss - before} bytes more`);
});
