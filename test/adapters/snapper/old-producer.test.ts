import { once } from "node:events";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import SnapperProducer from "snapper-producer";
import { TokenVerifier } from "../../../src/adapters/snapper/tokens/token-verifier.js";
import { until } from "../../connectors/websocket-support.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import { HOST, numbered, SECRET, startServer } from "./support.js";

// npm's producer, unchanged, as a client of our server.

function startOldProducer(t: ExecutionContext, port: number, secretKeys: string | string[] = SECRET) {
  const producer = new SnapperProducer(port, HOST, { producerId: "old", secretKeys });
  const errors: Error[] = [];
  producer.on("error", (error) => errors.push(error));
  t.teardown(() => producer.close());
  return Object.assign(producer, { errors });
}

test("snapper-producer › its messages come, all of them and in order", async (t) => {
  const { server, log } = await startServer(t);
  const producer = startOldProducer(t, server.port);
  const messages = numbered(1000);

  for (const message of messages) producer.sendMessage("room", message);

  await until(() => log.messages.length === 1000);
  t.deepEqual(log.messages, messages);
  t.deepEqual([...new Set(log.rooms)], ["room"]);
  t.true(log.ids.every((id) => id === undefined));
  t.deepEqual(producer.errors, []);
});

test("snapper-producer › its requests are answered", async (t) => {
  const { server, calls } = await startServer(t);
  const producer = startOldProducer(t, server.port);

  t.is(await promisify(producer.joinRoom("room", "ann"))(), 1);
  t.is(await promisify(producer.leaveRoom("room", "ann"))(), 0);
  t.deepEqual(await promisify(producer.request("echo", ["é", 1, null]))(), ["é", 1, null]);
  const refused: unknown = await promisify(producer.request("unknown", []))().catch((error: unknown) => error);
  t.like(refused, { code: -32_601 });

  t.deepEqual(calls, [
    ["subscribe", "room", "ann"],
    ["unsubscribe", "room", "ann"],
  ]);
});

test("snapper-producer › its tokens are good", (t) => {
  const producer = new SnapperProducer(1, HOST, { producerId: "old", secretKeys: SECRET });
  producer.on("error", () => {});

  t.is(new TokenVerifier(SECRET).verify(producer.signAuth({ userId: "ann" }))["userId"], "ann");
  producer.close();
});

test("snapper-producer › one with another secret is refused", async (t) => {
  const { server, log } = await startServer(t);
  const producer = startOldProducer(t, server.port, "another");
  producer.sendMessage("room", "message");

  await until(() => producer.errors.length > 0);

  t.like(producer.errors[0], { code: 401 });
  t.deepEqual(log.messages, []);
});

test("snapper-producer › goes on with a server that has been started again", async (t) => {
  const first = await startServer(t);
  let { server } = first;
  const proxy = await TcpProxy.start(() => server.port);
  t.teardown(() => proxy.stop());
  const producer = startOldProducer(t, proxy.port);
  await promisify(producer.request("echo", []))();
  producer.sendMessage("room", "one");
  await until(() => first.log.messages.length === 1);

  const second = await startServer(t);
  server = second.server;
  await first.server.close();
  const { log } = second;
  await once(producer, "connect");
  producer.sendMessage("room", "two");

  await until(() => log.messages.length === 1);
  t.deepEqual(log.messages, ["two"]);
});

test("snapper-producer › what it had sent when the server began to close is done still", async (t) => {
  const { server, log } = await startServer(t);
  const producer = startOldProducer(t, server.port);
  await promisify(producer.request("echo", []))();

  for (const message of numbered(20)) producer.sendMessage("room", message);
  // Its first bytes are out now; the rest follows when that is written.
  await server.close();

  t.deepEqual(log.messages, numbered(log.messages.length));
  t.true(log.messages.length >= 1);
});
