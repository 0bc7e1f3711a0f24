import { type IncomingMessage } from "node:http";

import test, { type ExecutionContext } from "ava";

import { type WebSocketConnectorOptions } from "../../src/connectors/websocket/connector.js";
import { type Client, clientFrame, Deferred, message, startConnector, uidOfQuery, until } from "./websocket-support.js";

const NOBODY: ReadonlySet<string> = new Set();

for (const [title, authenticate, uid] of [
  ["a string", () => "ann", "ann"],
  ["a promise of a string", async () => "ann", "ann"],
  ["a number, as its decimal string", () => 42, "42"],
] as const) {
  test(`authenticate › may return ${title}`, async (t) => {
    const { connector, host, openSession } = await startConnector(t, { authenticate });

    const client = await openSession("");

    t.deepEqual(host.events, [`opened ${uid}`]);
    t.deepEqual(connector.deliver(new Set([uid]), message("chat", "hi")), []);
    await until(() => client.received.length === 1);
  });
}

test("authenticate › gets the upgrade request", async (t) => {
  const { host, openSession } = await startConnector(t, {
    authenticate: ({ headers }) => headers.authorization?.split(" ")[1] ?? "",
  });

  await openSession("", { headers: { authorization: "Bearer ann" } });

  t.deepEqual(host.events, ["opened ann"]);
});

for (const [title, authenticate] of [
  [
    "throws",
    () => {
      throw new Error("bad token");
    },
  ],
  ["rejects", () => Promise.reject(new Error("bad token"))],
  ["gives an empty uid", () => ""],
  ["gives nothing", () => undefined],
  ["gives an object", async () => ({ uid: "ann" })],
  ["gives a fraction", () => 1.5],
] as const) {
  test(`authenticate › if it ${title}, the client is closed with 4401 and there is no session`, async (t) => {
    const { connector, host, connectClient } = await startConnector(t, {
      authenticate: authenticate as WebSocketConnectorOptions["authenticate"],
    });

    const client = await connectClient("ann");
    client.send("chat", "not for you");

    t.like(await client.closed, { code: 4401 });
    t.deepEqual(host.events, []);
    t.deepEqual(host.errors, []);
    t.like(connector.stats, { sessions: 0, rejected: 1 });
  });
}

test("authenticate › if it takes longer than authTimeoutMs, the client is closed with 4401; a late uid opens nothing", async (t) => {
  const late = new Deferred<string>();
  const { connector, host, connectClient } = await startConnector(t, {
    authTimeoutMs: 50,
    authenticate: (request) => (uidOfQuery(request) === "late" ? late.promise : uidOfQuery(request)),
  });

  const client = await connectClient("late");
  t.like(await client.closed, { code: 4401 });
  late.resolve("late");
  await connectClient("ann");
  await until(() => connector.stats.sessions === 1);

  t.deepEqual(host.events, ["opened ann"]);
  t.is(connector.stats.rejected, 1);
});

/** A connector whose first client's authentication is decided by the test. */
async function startPending(t: ExecutionContext) {
  const uid = new Deferred<string>();
  const request = new Deferred<IncomingMessage>();
  const started = await startConnector(t, {
    authenticate: (incoming) => {
      if (uidOfQuery(incoming) !== "pending") return uidOfQuery(incoming);
      request.resolve(incoming);
      return uid.promise;
    },
  });
  const client = await started.connectClient("pending");
  return { ...started, uid, client, request: await request.promise };
}

for (const [title, disconnect] of [
  ["cuts its connection", (client: Client) => client.ws.terminate()],
  ["closes", (client: Client) => client.ws.close()],
  [
    "closes after it has sent a message",
    (client: Client) => {
      client.send("chat", "bye");
      client.ws.close();
    },
  ],
  ["breaks the protocol", (client: Client) => client.ws.send(Buffer.alloc(65_537))],
] as const) {
  test(`authenticate › a client that ${title} meanwhile never gets a session`, async (t) => {
    const { connector, host, uid, client, request, openSession } = await startPending(t);

    disconnect(client);
    await until(() => request.socket.destroyed);
    uid.resolve("pending");
    await openSession("ann");

    t.deepEqual(host.events, ["opened ann"]);
    t.is(connector.stats.rejected, 0);
  });
}

test("authenticate › a client that has said goodbye meanwhile, but lingers, never gets a session", async (t) => {
  const uid = new Deferred<string>();
  const { host, openTcp, openSession } = await startConnector(t, {
    authenticate: (request) => (uidOfQuery(request) === "pending" ? uid.promise : uidOfQuery(request)),
  });
  const tcp = await openTcp();
  await tcp.upgrade("pending", clientFrame(8, "\u0003\u0068"));

  await until(() => tcp.frames().length === 1);
  uid.resolve("pending");
  await openSession("ann");

  t.deepEqual(host.events, ["opened ann"]);
});

test("authenticate › no push reaches a client before its session is open", async (t) => {
  const { connector, uid, client } = await startPending(t);

  t.deepEqual(connector.deliver(new Set(["pending"]), message("chat", "too early")), ["pending"]);
  t.is(connector.deliverToAll(message("chat", "too early"), NOBODY), 0);
  uid.resolve("pending");
  await until(() => connector.stats.sessions === 1);
  connector.deliverToAll(message("chat", "hi"), NOBODY);

  await until(() => client.received.length > 0);
  t.deepEqual(client.received, [{ route: "chat", msg: "hi" }]);
});

test("authenticate › what the client sends meanwhile comes after opened, all of it in order", async (t) => {
  const { host, uid, client } = await startPending(t);
  const sent = Array.from({ length: 1000 }, (_, i) => i);

  for (const i of sent) client.send("chat", i);
  client.ws.ping();
  uid.resolve("pending");
  await until(() => host.messages.length === sent.length);

  t.is(host.events[0], "opened pending");
  t.deepEqual(
    host.messages.map(({ msg }) => msg),
    sent,
  );
});

test("authenticate › a client that comes with a message in the packet of its handshake loses nothing", async (t) => {
  const { host, openTcp } = await startConnector(t);
  const tcp = await openTcp();

  await tcp.upgrade("ann", clientFrame(1, '{"route":"chat","msg":1}'));

  await until(() => host.messages.length === 1);
  t.deepEqual(host.events, ["opened ann", "message ann"]);
});

test("authenticate › a client that sends much meanwhile is read no further until it is known who it is", async (t) => {
  const { host, uid, client, request } = await startPending(t);
  const sent = 1000;

  for (let i = 0; i < sent; i++) client.send("chat", "x".repeat(50_000));
  await until(() => request.socket.isPaused());

  t.true(client.ws.bufferedAmount > 0);
  uid.resolve("pending");
  await until(() => host.messages.length === sent);
  t.false(request.socket.isPaused());
});

test("authenticate › a client that sends much and is then refused gets its 4401", async (t) => {
  const { uid, client, request } = await startPending(t);

  for (let i = 0; i < 100; i++) client.send("chat", i);
  await until(() => request.socket.isPaused());
  uid.reject(new Error("bad token"));

  t.like(await client.closed, { code: 4401 });
  // It was not cut off: a reset connection could lose the close frame.
  await until(() => request.socket.destroyed);
  t.true(request.socket.readableEnded);
});
