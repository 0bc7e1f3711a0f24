import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { isDeepStrictEqual } from "node:util";
import test, { type ExecutionContext } from "ava";
import { Socket } from "engine.io-client";
import jwt from "jsonwebtoken";
import type { TokenAlgorithm } from "../../../src/adapters/snapper/tokens/algorithms.js";
import { eventually } from "../../cluster/cluster.js";
import { until } from "../../connectors/websocket-support.js";
import {
  connectConsumer,
  connectOldProducer,
  PATH,
  RawConsumer,
  startBroker,
  TestConsumer,
  tokenOf,
} from "./broker-support.js";
import { HOST, RawClient, SECRET, startProducer } from "./support.js";

// Who is let in, by which transports, and what the broker answers by HTTP.

interface Stats {
  total: Record<string, string>;
  online: number;
}

test("what the broker is, and what it has done, it tells by HTTP", async (t) => {
  const { port, rpcPort } = await startBroker(t);
  const get = async (path: string, method = "GET") => {
    const response = await fetch(`http://${HOST}:${port}${path}`, { method });
    return { status: response.status, body: (await response.json()) as { server?: string; stats?: Stats } };
  };
  const producer = startProducer(t, rpcPort);
  const ann = await connectConsumer(t, port);
  for (const n of [1, 2, 3]) await producer.publish("userann", String(n));
  await until(() => ann.messages.length === 3);

  t.like((await get("/")).body, { server: "globalchannel" });
  t.is((await get("/?a=b")).status, 200);
  t.is((await get("/nothing")).status, 404);
  t.is((await get("/", "POST")).status, 405);
  for (const token of ["", "x", tokenOf("ann").slice(1), jwt.sign({ name: "snapper" }, "another")]) {
    t.is((await get(`/stats?token=${token}`)).status, 401);
  }
  t.is((await get("/stats")).status, 401);
  t.is((await get(`/stats?token=${producer.signAuth({ name: "Snapper" })}`)).status, 400);
  // Users may call themselves whatever they want.
  t.is((await get(`/stats?token=${tokenOf("ann", { name: "snapper" })}`)).status, 401);
  await eventually(async () => {
    const { status, body } = await get(`/stats?token=${producer.signAuth({ name: "snapper" })}`);
    t.is(status, 200);
    const done = { producerMessages: "3", consumerMessages: "3", consumers: "1" };
    return isDeepStrictEqual(body.stats?.total, done) && body.stats?.online === 1;
  }, 5000);
});

test("a consumer's token does not make it a producer", async (t) => {
  const { rpcPort, errors } = await startBroker(t);
  const client = await RawClient.open(t, rpcPort);
  await client.authenticate(tokenOf("mallory"));
  await client.closed();
  t.like(client.answers, [{ error: { code: 401 } }]);
  t.is(errors.length, 1);
});

test("a producer with another secret is refused, and closed", async (t) => {
  const { rpcPort, errors } = await startBroker(t);
  const producer = connectOldProducer(t, rpcPort, "another");
  await new Promise((resolve) => producer.on("close", resolve));
  t.like(producer.errors[0], { code: 401 });
  t.like(errors[0], { code: "GC_INVALID_TOKEN" });
});

test("tokens of npm's producer are good, with any of several secrets", async (t) => {
  const { port, rpcPort } = await startBroker(t, { secretKeys: ["new", SECRET, "old"] });
  for (const secret of ["new", SECRET, "old"]) {
    const producer = connectOldProducer(t, rpcPort, secret);
    t.deepEqual(await producer.ask("echo", []), []);
    await connectConsumer(t, port, { token: producer.signAuth({ userId: "ann" }) });
  }
});

const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PUBLIC_PEM = createPublicKey(RSA.privateKey).export({ type: "spki", format: "pem" }).toString();
const PRIVATE_PEM = RSA.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const soon = (): number => Math.floor(Date.now() / 1000) + 3600;

/** Tokens that let nobody in, where those of this algorithm do. */
function forged(algorithm: TokenAlgorithm, good: string, who: object, other: object): Record<string, string> {
  const [, payload = "", signature = ""] = good.split(".");
  const claims = { ...who, exp: soon() };
  return {
    none: "",
    "no token": "token",
    "of another secret": jwt.sign(claims, "another"),
    "without a signature": `${b64({ alg: "none", typ: "JWT" })}.${payload}.`,
    "without a signature, in capitals": `${b64({ alg: "NONE" })}.${payload}.`,
    "with the signature of another": `${b64({ alg: "none" })}.${payload}.${signature}`,
    "with changed claims": good.replace(payload, b64({ ...claims, ...other })),
    expired:
      algorithm === "HS256"
        ? jwt.sign({ ...who, exp: 1 }, SECRET)
        : jwt.sign({ ...who, exp: 1 }, PRIVATE_PEM, { algorithm: "RS256" }),
    "without an end":
      algorithm === "HS256" ? jwt.sign(who, SECRET) : jwt.sign(who, PRIVATE_PEM, { algorithm: "RS256" }),
    "signed with the public key as a secret": hmac(claims, PUBLIC_PEM),
    "of another algorithm":
      algorithm === "HS256"
        ? jwt.sign(claims, SECRET, { algorithm: "HS512" })
        : jwt.sign(claims, PRIVATE_PEM, { algorithm: "RS512" }),
    "by the other kind of key":
      algorithm === "HS256" ? jwt.sign(claims, PRIVATE_PEM, { algorithm: "RS256" }) : jwt.sign(claims, SECRET),
    "too long": "x".repeat(9000),
  };
}

/** As who knows no more than the public key would. */
function hmac(claims: object, secret: string): string {
  const text = `${b64({ alg: "HS256", typ: "JWT" })}.${b64(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

for (const [algorithm, secretKeys, signWith] of [
  ["HS256", SECRET, SECRET],
  ["RS256", PUBLIC_PEM, PRIVATE_PEM],
] as const) {
  test(`${algorithm}: tokens that are not genuine let neither consumers nor producers in`, async (t) => {
    const { port, rpcPort } = await startBroker(t, { secretKeys, algorithm });
    const [consumer, producer] = [{ userId: "ann" }, { id: "backend" }];
    const sign = (who: object): string => jwt.sign({ ...who, exp: soon() }, signWith, { algorithm });
    const [consumers, producers] = [sign(consumer), sign(producer)];
    await connectConsumer(t, port, { token: consumers });

    for (const [what, token] of Object.entries(forged(algorithm, consumers, consumer, { userId: "bob" }))) {
      for (const transports of [["polling"], ["websocket"]] as const) {
        t.is(await attempt(t, port, token, [...transports]), "refused", what);
      }
    }
    for (const [what, token] of Object.entries(forged(algorithm, producers, producer, { id: "another" }))) {
      t.is(await authenticate(rpcPort, token), 401, what);
    }
    t.is(await attempt(t, port, consumers, ["polling"]), "let in");
    t.is(await authenticate(rpcPort, producers), "OK");
  });
}

test("tokens without a user let no consumer in", async (t) => {
  const { port, errors } = await startBroker(t);
  const ids = ["", 1, null, undefined, {}, [], "x".repeat(1025), true];
  for (const userId of ids) t.is(await attempt(t, port, tokenOf(userId), ["websocket"]), "refused");
  t.is(errors.length, ids.length);
  const consumer = new TestConsumer(port, { token: "errorToken", transports: ["polling"] });
  consumer.stayAway = () => {};
  consumer.start();
  await until(() => consumer.errors.length > 0);
  consumer.connect = () => consumer;
  t.is(consumer.opens, 0);
});

async function attempt(t: ExecutionContext, port: number, token: string, transports: ("polling" | "websocket")[]) {
  const socket = new Socket(`ws://${HOST}:${port}`, { path: PATH, query: { token }, transports });
  t.teardown(() => socket.close());
  return new Promise((resolve) => {
    socket.on("open", () => resolve("let in"));
    socket.on("error", () => resolve("refused"));
  });
}

async function authenticate(port: number, token: string): Promise<unknown> {
  const json = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "auth", params: [token] });
  const socket = connect(port, HOST);
  socket.write(`$${Buffer.byteLength(json)}\r\n${json}\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  const { result, error } = JSON.parse(answer.toString().split("\r\n")[1]!) as {
    result?: unknown;
    error?: { code: number };
  };
  return result ?? error?.code;
}

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]] as ("polling" | "websocket")[][]) {
  for (const [version, open] of Object.entries({
    "protocol 3": async (t: ExecutionContext, port: number) => {
      const consumer = await connectConsumer(t, port, { transports });
      return { id: consumer.id, has: () => consumer.messages, socket: consumer.connection as unknown as Socket };
    },
    "protocol 4": async (t: ExecutionContext, port: number) => {
      const consumer = await RawConsumer.open(t, port, tokenOf("ann"), transports);
      consumer.socket.on("message", () => consumer.acknowledge(consumer.batches.at(-1)?.id));
      return { id: consumer.socket.id, has: () => consumer.messages, socket: consumer.socket };
    },
  })) {
    test(`Engine.IO ${version} by ${transports.join(", then ")}`, async (t) => {
      const { port, rpcPort } = await startBroker(t, { pingIntervalMs: 400, pingTimeoutMs: 5000 });
      const producer = startProducer(t, rpcPort);
      const { id, has, socket } = await open(t, port);
      await producer.joinRoom("room", id);
      const big = "日本 😀".repeat(5000);
      for (const n of Array.from({ length: 200 }, (_, index) => index)) producer.sendMessage("room", String(n));
      await producer.publish("room", JSON.stringify(big));

      await until(() => has().length === 201);
      t.deepEqual(
        has().slice(0, 200),
        Array.from({ length: 200 }, (_, index) => index),
      );
      t.is(has()[200], big);
      await until(() => socket.transport.name === transports.at(-1));
      // Several pings.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await producer.publish("room", "1");
      await until(() => has().length === 202);
      t.is((socket as unknown as { readyState: string }).readyState, "open");
    });
  }
}

test("a page of another origin may connect", async (t) => {
  const { port } = await startBroker(t);
  const query = new URLSearchParams({ EIO: "4", transport: "polling", token: tokenOf("ann") }).toString();
  const response = await fetch(`http://${HOST}:${port}${PATH}/?${query}`, {
    headers: { origin: "https://example.com" },
  });
  t.is(response.status, 200);
  t.is(response.headers.get("access-control-allow-origin"), "https://example.com");
  t.regex(response.headers.get("set-cookie") ?? "", /^snapper\.ws=t\.[\w-]+; Path=\/; HttpOnly; SameSite=Lax$/);
  await response.text();
});
