import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { promisify } from "node:util";

import test, { type ExecutionContext } from "ava";
import { WebSocket } from "ws";

import { WebSocketConnector, type WebSocketConnectorOptions } from "../../src/connectors/websocket/connector.js";
import { Client, message, RecordingHost, startConnector, uidOfQuery, until, breakHost } from "./websocket-support.js";

// Options

const INVALID_OPTIONS: [option: string, options: Record<string, unknown>][] = [
  ["options", null as never],
  ["port", { authenticate: uidOfQuery }],
  ["port", { authenticate: uidOfQuery, port: 0, server: createServer() }],
  ["port", { authenticate: uidOfQuery, port: 65_536 }],
  ["port", { authenticate: uidOfQuery, port: 80.5 }],
  ["port", { authenticate: uidOfQuery, port: "80" }],
  ["host", { authenticate: uidOfQuery, port: 0, host: "" }],
  ["host", { authenticate: uidOfQuery, server: createServer(), host: "localhost" }],
  ["server", { authenticate: uidOfQuery, server: {} }],
  ["server", { authenticate: uidOfQuery, server: null }],
  ["path", { authenticate: uidOfQuery, port: 0, path: "ws" }],
  ["path", { authenticate: uidOfQuery, port: 0, path: "/ws?a=b" }],
  ["authenticate", { port: 0 }],
  ["authenticate", { port: 0, authenticate: "ann" }],
  ["authTimeoutMs", { authenticate: uidOfQuery, port: 0, authTimeoutMs: 0 }],
  ["maxBufferedBytes", { authenticate: uidOfQuery, port: 0, maxBufferedBytes: -1 }],
  ["heartbeatMs", { authenticate: uidOfQuery, port: 0, heartbeatMs: Infinity }],
  ["maxClientMessageBytes", { authenticate: uidOfQuery, port: 0, maxClientMessageBytes: 2 ** 31 }],
  ["heartBeatMs", { authenticate: uidOfQuery, port: 0, heartBeatMs: 1000 }],
];

test("constructor › refuses an invalid option by its name", (t) => {
  for (const [option, options] of INVALID_OPTIONS) {
    const error = t.throws(
      () => new WebSocketConnector(options as unknown as WebSocketConnectorOptions),
      undefined,
      option,
    );
    t.like(error, { code: "GC_INVALID_OPTION", argument: option });
    t.regex(error.message, new RegExp(option));
  }
});

// Start

test("start › resolves when the server listens; address says where, only while it does", async (t) => {
  const { connector } = await startConnector(t);

  const { port } = connector.address();

  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
  await connector.stop();
  t.throws(() => connector.address(), { code: "GC_NOT_STARTED" });
});

test("start › rejects with what listening failed with, and can be tried again", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  t.teardown(() => taken.close());
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const connector = new WebSocketConnector({ port, host: "127.0.0.1", authenticate: uidOfQuery });
  t.teardown(() => connector.stop());

  await t.throwsAsync(connector.start(new RecordingHost()), { code: "EADDRINUSE" });
  t.throws(() => connector.address(), { code: "GC_NOT_STARTED" });
  await once(taken.close(), "close");
  await connector.start(new RecordingHost());

  t.is(connector.address().port, port);
});

test("start › is refused while the connector serves a frontend", async (t) => {
  const { connector, host, openSession } = await startConnector(t);

  await t.throwsAsync(connector.start(new RecordingHost()), { code: "GC_INVALID_ARGUMENT" });

  await openSession("ann");
  t.deepEqual(host.events, ["opened ann"]);
});

test("the own server › answers a request that is no upgrade with 426, and an upgrade to another path with 400", async (t) => {
  const { url, connectClient } = await startConnector(t, { path: "/live" });

  const response = await fetch(url.replace("ws:", "http:"));
  t.is(response.status, 426);
  t.is(response.headers.get("upgrade"), "websocket");
  await t.throwsAsync(connectClient("ann", { path: "/other" }), { message: /400/ });
  await t.notThrowsAsync(connectClient("ann", { path: "/live" }));
});

// Sessions

test("a session › is told opened once and closed once, however it ends", async (t) => {
  const { connector, host, openSession } = await startConnector(t);

  for (const end of [
    (client: Client) => client.ws.close(),
    (client: Client) => client.ws.terminate(),
    (client: Client) => client.ws.send(Buffer.from([1])),
    (client: Client) => client.ws.send("x".repeat(70_000)),
  ]) {
    const client = await openSession("ann");
    end(client);
    end(client);
    await until(() => connector.stats.sessions === 0);
  }
  await connector.stop();

  t.deepEqual(
    host.events,
    Array.from({ length: 8 }, (_, i) => (i % 2 ? "closed ann" : "opened ann")),
  );
});

test("a session › goes on where the host throws; the host is told", async (t) => {
  const { connector, host, openSession } = await startConnector(t);
  const failure = breakHost(host);

  const client = await openSession("ann");
  client.send("chat", 1);
  await until(() => host.errors.length === 2);
  connector.deliver(new Set(["ann"]), message("chat", "hi"));
  await until(() => client.received.length === 1);
  client.ws.close();
  await until(() => host.errors.length === 3);

  for (const error of host.errors) t.like(error, { code: "GC_LISTENER_FAILED", cause: failure });
  t.deepEqual(connector.stats, { sessions: 0, users: 0, slowClosed: 0, heartbeatClosed: 0, rejected: 0 });
});

// Messages of clients

test("a message › reaches the host with uid, route and msg", async (t) => {
  const { host, openSession } = await startConnector(t);
  const client = await openSession("ann");
  const msgs = [{ deep: [1, { a: null }] }, "grüße 世界", 0, null, true, []];

  for (const msg of msgs) client.send("chat.send", msg);
  client.ws.send('{"route":"no msg"}');
  await until(() => host.messages.length === msgs.length + 1);

  t.deepEqual(
    host.messages.slice(0, -1),
    msgs.map((msg) => ({ uid: "ann", route: "chat.send", msg })),
  );
  t.deepEqual(host.messages.at(-1), { uid: "ann", route: "no msg", msg: undefined });
});

for (const [title, data, code] of [
  ["too large", JSON.stringify({ route: "chat", msg: "x".repeat(1000) }), 1009],
  ["binary", Buffer.from('{"route":"chat","msg":1}'), 1003],
  ["not JSON", "hello", 1007],
  ["empty", "", 1007],
  ["JSON but no object", "null", 1008],
  ["an array", "[1]", 1008],
  ["a string", '"chat"', 1008],
  ["without a route", '{"msg":1}', 1008],
  ["with a route that is no string", '{"route":1,"msg":1}', 1008],
  ["with an empty route", '{"route":"","msg":1}', 1008],
  ["with a lone surrogate in its route", '{"route":"\\ud800","msg":1}', 1008],
  ["too deep to parse", "[".repeat(999), 1007],
] as const) {
  test(`a message › that is ${title} closes the client with ${code}; what follows it is dropped`, async (t) => {
    const { host, openSession } = await startConnector(t, { maxClientMessageBytes: 999 });
    const good = await openSession("good");
    const bad = await openSession("bad");

    bad.ws.send(data);
    bad.send("chat", "after it");

    t.like(await bad.closed, { code });
    good.send("chat", "sentinel");
    await until(() => host.events.includes("message good"));
    t.deepEqual(host.messages, [{ uid: "good", route: "chat", msg: "sentinel" }]);
    t.deepEqual(host.errors, []);
  });
}

test("a message › waits in the connection while 128 of the client are not handled, and no heartbeat ends that", async (t) => {
  const { host, connector, openSession } = await startConnector(t, { heartbeatMs: 200 });
  const waiting: (() => void)[] = [];
  host.message = (uid, _route, msg) => {
    host.messages.push({ uid, route: "", msg });
    return new Promise((resolve) => waiting.push(resolve));
  };
  const [client, other] = [await openSession("ann"), await openSession("bob")];
  const body = "x".repeat(1000);

  for (let n = 0; n < 10_000; n++) client.send("chat", `${n} ${body}`);
  await until(() => waiting.length >= 128);
  // A later message of another client, and three heartbeats.
  const pings = other.pings;
  await until(() => other.pings >= pings + 3);
  other.send("chat", "sentinel");
  await until(() => host.messages.at(-1)!.uid === "bob");
  t.true(waiting.length < 500, `${waiting.length} taken in`);
  t.is(connector.stats.sessions, 2);

  while (host.messages.length < 10_001 && connector.stats.sessions === 2) {
    for (const handled of waiting.splice(0)) handled();
    await new Promise(setImmediate);
  }
  t.is(connector.stats.heartbeatClosed, 0);
  const sent = host.messages.filter(({ uid }) => uid === "ann").map(({ msg }) => parseInt(msg as string));
  t.deepEqual(
    sent,
    Array.from({ length: 10_000 }, (_, n) => n),
  );
});

test("a message › as large as maxClientMessageBytes is taken, in any number of fragments", async (t) => {
  const { host, openSession } = await startConnector(t, { maxClientMessageBytes: 1000 });
  const client = await openSession("ann");
  const text = JSON.stringify({ route: "chat", msg: "x".repeat(975) });

  client.ws.send(text);
  for (let at = 0; at < text.length; at += 100)
    client.ws.send(text.slice(at, at + 100), { fin: at + 100 >= text.length });
  await until(() => host.messages.length === 2);

  t.is(text.length, 1000);
});

test("compression › is not accepted from a client that offers it", async (t) => {
  const { openSession } = await startConnector(t);

  const client = await openSession("ann", { perMessageDeflate: true });

  t.is(client.ws.extensions, "");
});

// Stop

test("stop › closes every session with 1001, tells the host of each, and frees the port", async (t) => {
  const { connector, host, openSession } = await startConnector(t);
  const clients = [await openSession("ann"), await openSession("ann"), await openSession("bob")];
  const { port } = connector.address();

  await connector.stop();

  for (const client of clients) t.like(await client.closed, { code: 1001 });
  t.deepEqual(host.events.slice(3).toSorted(), ["closed ann", "closed ann", "closed bob"]);
  t.like(connector.stats, { sessions: 0, users: 0 });
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), ["ann"]);
  const next = createServer().listen(port, "127.0.0.1");
  await once(next, "listening");
  next.close();
});

test("stop › may be called again, at the same time, and before start", async (t) => {
  const idle = new WebSocketConnector({ port: 0, authenticate: uidOfQuery });
  await idle.stop();
  const { connector, host, openSession } = await startConnector(t);
  await openSession("ann");

  await Promise.all([connector.stop(), connector.stop()]);
  await connector.stop();

  t.deepEqual(host.events, ["opened ann", "closed ann"]);
});

test("stop › during start stops what was being started; the connector can be started again", async (t) => {
  const connector = new WebSocketConnector({ port: 0, host: "127.0.0.1", authenticate: uidOfQuery });
  t.teardown(() => connector.stop());

  const started = connector.start(new RecordingHost());
  await connector.stop();
  await started;
  t.throws(() => connector.address(), { code: "GC_NOT_STARTED" });
  await connector.start(new RecordingHost());

  t.true(connector.address().port > 0);
});

test("stop › cuts off clients that do not answer, silent connections, and does not wait for authentication", async (t) => {
  const { connector, host, connectClient, openTcp, openSession } = await startConnector(t, {
    authenticate: (request) => (uidOfQuery(request) === "pending" ? new Promise(() => {}) : uidOfQuery(request)),
  });
  const pending = await connectClient("pending");
  const [deaf, silent, halfway] = [await openTcp(), await openTcp(), await openTcp()];
  await deaf.upgrade("deaf");
  halfway.socket.write("GET / HTTP/1.1\r\nHost:");
  await openSession("ann");
  const begin = Date.now();

  await connector.stop();

  const took = Date.now() - begin;
  t.true(took >= 900 && took < 5000, `${took} ms`);
  await Promise.all([deaf.closed, silent.closed, halfway.closed]);
  t.like(await pending.closed, { code: 1001 });
  t.deepEqual(host.events.slice(0, 2), ["opened deaf", "opened ann"]);
  t.deepEqual(host.events.slice(2).toSorted(), ["closed ann", "closed deaf"]);
});

test("stop › leaves nothing that keeps a process alive", async (t) => {
  const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    import { once } from "node:events";
    import { WebSocket } from ${JSON.stringify(import.meta.resolve("ws"))};
    import { WebSocketConnector } from ${module("../../src/connectors/websocket/connector.ts")};
    const clients = [];
    const authenticate = () => (clients.length === 1 ? "ann" : new Promise(() => {}));
    const connector = new WebSocketConnector({ port: 0, host: "127.0.0.1", authenticate });
    await connector.start({ sid: "a", opened() {}, closed() {}, message() {}, error() {} });
    for (let i = 0; i < 2; i++) {
      clients.push(new WebSocket("ws://127.0.0.1:" + connector.address().port));
      await once(clients[i], "open");
    }
    connector.deliver(new Set(["ann"]), { route: "chat", body: "1" });
    const gone = clients.map((client) => once(client, "close"));
    await connector.stop();
    await Promise.all(gone);
    console.log(process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).join() || "nothing");
  `;

  const args = ["--import=tsx", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 8000 });

  t.is(stdout.trim(), "nothing");
});

// A server that was given

async function startServer(t: ExecutionContext) {
  const server = createServer((_request, response) => response.end("the application")).listen(0, "127.0.0.1");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  return server;
}

test("a given server › keeps serving requests, also after stop, when it no longer takes clients", async (t) => {
  const server = await startServer(t);
  const { connector, url, openSession } = await startConnector(t, { server });
  const http = url.replace("ws:", "http:");

  const client = await openSession("ann");
  t.is(await (await fetch(http)).text(), "the application");
  await connector.stop();

  t.like(await client.closed, { code: 1001 });
  t.true(server.listening);
  t.is(server.listenerCount("upgrade"), 0);
  t.is(server.listenerCount("error"), 0);
  t.is(await (await fetch(http)).text(), "the application");
});

test("a given server › another path is left to another upgrade listener; without one it is answered with 400", async (t) => {
  const server = await startServer(t);
  const { url, connectClient } = await startConnector(t, { server, path: "/live" });
  const upgrade = () => fetchUpgrade(`${url}/other`);

  t.is(await upgrade(), 400);
  server.on("upgrade", (request, socket) => {
    if (request.url === "/other") socket.end("HTTP/1.1 418 I'm a teapot\r\nConnection: close\r\n\r\n");
  });

  t.is(await upgrade(), 418);
  await t.notThrowsAsync(connectClient("ann", { path: "/live" }));
});

function fetchUpgrade(url: string): Promise<number | undefined> {
  const ws = new WebSocket(url);
  ws.on("error", () => {});
  return new Promise((resolve) =>
    ws.once("unexpected-response", (_request, response) => {
      resolve(response.statusCode);
      ws.terminate();
    }),
  );
}

test("a given server › may begin to listen after start", async (t) => {
  const server = createServer();
  t.teardown(() => server.close());
  const connector = new WebSocketConnector({ server, authenticate: uidOfQuery });
  t.teardown(() => connector.stop());
  const host = new RecordingHost();

  await connector.start(host);
  t.throws(() => connector.address(), { code: "GC_NOT_STARTED" });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const client = new Client(new WebSocket(`ws://127.0.0.1:${connector.address().port}/?uid=ann`));
  await until(() => host.events.length === 1);

  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", "hi")), []);
  await until(() => client.received.length === 1);
});

test("a given server › serves several connectors at different paths", async (t) => {
  const server = await startServer(t);
  const [one, two] = [
    await startConnector(t, { server, path: "/one" }),
    await startConnector(t, { server, path: "/two" }),
  ];

  await one.connectClient("ann", { path: "/one" });
  await two.connectClient("bob", { path: "/two" });
  await until(() => one.host.events.length + two.host.events.length === 2);

  t.deepEqual(one.host.events, ["opened ann"]);
  t.deepEqual(two.host.events, ["opened bob"]);
});
