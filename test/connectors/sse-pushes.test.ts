import { createServer, connect, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import test, { type ExecutionContext } from "ava";
import { EventSource } from "eventsource";
import { SseConnector, type SseConnectorOptions } from "../../src/connectors/sse/connector.js";
import type { ClientMessage } from "../../src/types.js";
import { type Client, NOBODY, Recording, startConnector } from "./sse-support.js";
import { message, RecordingHost, uidOfQuery, until } from "./websocket-support.js";

const require = createRequire(import.meta.url);
/** It has no types of its own. */
const ssejson = require("ssejson") as {
  parse(options?: { event: string }): NodeJS.ReadWriteStream;
  fromEventSource(source: EventSource, event: string): NodeJS.ReadableStream;
};

// Receivers

test("deliver › reaches every session of each user, and returns the uids that have none", async (t) => {
  const { connector, connectClient } = await startConnector(t);
  const ann = [await connectClient("ann"), await connectClient("ann")];
  const bob = await connectClient("bob");
  const eve = await connectClient("eve");

  const failed = connector.deliver(new Set(["ann", "nobody", "bob"]), message("chat", { text: "hi" }));
  connector.deliver(new Set(["eve"]), message("chat", "sentinel"));

  t.deepEqual(failed, ["nobody"]);
  await until(() => eve.events.length > 0);
  for (const client of [...ann, bob]) {
    await until(() => client.events.length > 0);
    t.deepEqual(client.received, [{ route: "chat", msg: { text: "hi" } }]);
  }
  t.deepEqual(eve.received, [{ route: "chat", msg: "sentinel" }]);
});

test("deliver › a user whose one session closed is reached at the other, until that closes too", async (t) => {
  const { connector, host, connectClient } = await startConnector(t);
  const [first, second] = [await connectClient("ann"), await connectClient("ann")];

  first.cut();
  await until(() => connector.stats.sessions === 1);
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), []);
  await until(() => second.events.length === 1);
  second.cut();
  await until(() => connector.stats.sessions === 0);

  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 2)), ["ann"]);
  t.deepEqual(host.events, ["opened ann", "opened ann", "closed ann", "closed ann"]);
});

test("deliverToAll › reaches every user but the ones left out, and counts users, not sessions", async (t) => {
  const { connector, connectClient } = await startConnector(t);
  const ann = [await connectClient("ann"), await connectClient("ann")];
  const bob = await connectClient("bob");
  const eve = await connectClient("eve");

  t.is(connector.deliverToAll(message("news", 1), new Set(["eve", "nobody"])), 2);
  t.is(connector.deliverToAll(message("news", 2), NOBODY), 3);

  await until(() => [...ann, bob, eve].every(({ msgs }) => msgs.at(-1) === 2));
  for (const { msgs } of [...ann, bob]) t.deepEqual(msgs, [1, 2]);
  t.deepEqual(eve.msgs, [2]);
});

test("pushes › are encoded once for all who get them", async (t) => {
  const { connector, connectClient } = await startConnector(t);
  const clients = [await connectClient("ann"), await connectClient("ann"), await connectClient("bob")];
  let encoded = 0;
  const counted: ClientMessage = {
    route: "chat",
    get body(): string {
      return `${++encoded}`;
    },
  };

  connector.deliver(new Set(["ann", "bob"]), counted);
  connector.deliverToAll(counted, NOBODY);

  for (const client of clients) {
    await until(() => client.events.length === 2);
    t.deepEqual(client.msgs, [1, 2]);
  }
});

test("pushes › arrive in the order of the calls, within a tick and over ticks, also between heartbeats", async (t) => {
  const { connector, connectClient } = await startConnector(t, { heartbeatMs: 10, history: {} });
  const client = await connectClient("ann");
  const sent = Array.from({ length: 1000 }, (_, i) => i);

  for (const i of sent) {
    if (i % 3 === 0) connector.deliverToAll(message("chat", i), NOBODY);
    else connector.deliver(new Set(["ann"]), message("chat", i));
    if (i % 7 === 0) await new Promise(setImmediate);
  }
  await until(() => client.events.length === sent.length);

  t.deepEqual(client.msgs, sent);
});

// Framing

for (const [title, history] of [
  ["without a history", undefined],
  ["with a history", {}],
] as const) {
  test(`an event › ${title} has the route as its name and the body as its data, whatever is in them`, async (t) => {
    const { connector, connectClient } = await startConnector(t, { history });
    const client = await connectClient("ann");
    const routes = [
      "chat",
      "a b",
      " two  spaces",
      "a:b: c",
      ":",
      "data: 1",
      "ünï 世界 👩‍👩‍👧",
      "\u0000\u2028\u0085\ufeff",
      "gap",
    ];
    const bodies = [
      '""',
      "null",
      '{"a":1}',
      ' {"a": 1}',
      '"\u2028\u2029 👩‍👩‍👧 \ufeff"',
      '"id: 1"',
      "",
      " ",
      ":",
      "x".repeat(100_000),
    ];

    for (const route of routes) for (const body of bodies) connector.deliver(new Set(["ann"]), { route, body });
    await until(() => client.events.length === routes.length * bodies.length);

    t.deepEqual(
      client.events.map(({ event, data }) => [event, data]),
      routes.flatMap((route) => bodies.map((body) => [route, body])),
    );
    t.is(
      client.events.every(({ id }) => id !== undefined),
      history !== undefined,
    );
  });

  test(`an event › ${title} has a body of several lines as such, whatever ends them`, async (t) => {
    const { connector, connectClient } = await startConnector(t, { history });
    const client = await connectClient("ann");
    const endings = ["\n", "\r\n", "\r", "\n\n", "\r\r\n"];

    for (const end of endings) {
      const body = ["{", '"a": 1}', "event: injected", "", ""].join(end);
      connector.deliver(new Set(["ann"]), { route: "chat", body });
    }
    await until(() => client.events.length === endings.length);

    for (const [i, { event, data }] of client.events.entries()) {
      const end = endings[i]!.replace(/\r\n?/g, "\n");
      t.is(event, "chat");
      t.is(data, ["{", '"a": 1}', "event: injected", "", ""].join(end));
    }
  });
}

for (const route of ["a\nb", "a\rb", "\r\n", "chat\ndata: injected\n\n", ""]) {
  test(`an event › with the name ${JSON.stringify(route)} is refused, and nobody gets anything of it`, async (t) => {
    const { connector, connectClient } = await startConnector(t, { history: {} });
    const client = await connectClient("ann");
    const before = client.text;

    const refusal = { code: "GC_INVALID_ARGUMENT" };
    t.throws(() => connector.deliver(new Set(["ann"]), message(route, 1)), refusal);
    t.throws(() => connector.deliverToAll(message(route, 1), NOBODY), refusal);
    connector.deliver(new Set(["ann"]), message("sentinel", 2));
    await until(() => client.events.length > 0);

    t.is(client.text.slice(before.length), `event: sentinel\ndata: 2\nid: ${client.lastEventId}\n\n`);
  });
}

test("a stream › has what clients and proxies have to know in its headers", async (t) => {
  const { connectClient } = await startConnector(t);

  const { response } = await connectClient("ann");

  t.is(response!.statusCode, 200);
  t.like(response!.headers, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
  });
});

test("a stream › keeps the headers that the application has set", async (t) => {
  const { connectClient } = await startConnector(t, {}, (request, response, connector) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    connector.handle(request, response, uidOfQuery(request));
  });

  const { response } = await connectClient("ann");

  t.is(response!.headers["access-control-allow-origin"], "*");
});

test("a stream › tells each client another time to wait, of retryMs to twice that", async (t) => {
  const { connectClient } = await startConnector(t, { retryMs: 1000 });

  const clients = await Promise.all(Array.from({ length: 30 }, () => connectClient("ann")));

  const times = clients.map(({ retries }) => retries[0]!);
  for (const ms of times) t.true(ms >= 1000 && ms <= 2000, `${ms}`);
  t.true(new Set(times).size > 10);
});

test("a stream › gets a comment in each heartbeat, and no event", async (t) => {
  const heartbeatMs = 300;
  const { connectClient } = await startConnector(t, { heartbeatMs });
  const clients: Client[] = [];
  for (let i = 0; i < 20; i++) clients.push(await connectClient(`user-${i}`));

  const before = clients.map(({ comments }) => comments);
  await until(() => clients[0]!.comments === before[0]! + 4);

  for (const [i, { comments, events }] of clients.entries()) {
    t.true(Math.abs(comments - before[i]! - 4) <= 1, `${comments - before[i]!}`);
    t.deepEqual(events, []);
  }
});

// Other clients

for (const [title, history] of [
  ["without a history", undefined],
  ["with a history", {}],
] as const) {
  test(`ssejson › reads the events of a stream ${title}, the first one too`, async (t) => {
    const { connector, connectClient } = await startConnector(t, { history });
    const client = await connectClient("ann");
    const objects: unknown[] = [];
    const parser = ssejson.parse({ event: "chat" }).on("data", (object: unknown) => objects.push(object));

    for (let n = 0; n < 3; n++) connector.deliver(new Set(["ann"]), message("chat", { n }));
    connector.deliver(new Set(["ann"]), message("other", 1));
    await until(() => client.events.length === 4);
    parser.end(client.text);

    await until(() => objects.length === 3);
    t.deepEqual(objects, [{ n: 0 }, { n: 1 }, { n: 2 }]);
  });

  test(`EventSource › gets the events of a stream ${title}, by their names`, async (t) => {
    const { connector, url } = await startConnector(t, { history });
    const source = new EventSource(`${url}/?uid=ann`);
    t.teardown(() => source.close());
    const data: unknown[] = [];
    source.addEventListener("chat", (event) => data.push(event.data));
    const objects: unknown[] = [];
    ssejson.fromEventSource(source, "chat").on("data", (object: unknown) => objects.push(object));
    await once(source, "open");

    connector.deliver(new Set(["ann"]), message("other", 0));
    connector.deliver(new Set(["ann"]), { route: "chat", body: '{\r\n"a": 1}' });
    connector.deliver(new Set(["ann"]), message("chat", { a: "世界" }));
    await until(() => objects.length === 2);

    t.deepEqual(data, ['{\n"a": 1}', '{"a":"世界"}']);
    t.deepEqual(objects, [{ a: 1 }, { a: "世界" }]);
  });
}

// HTTP/2

/** A connector on an HTTP/2 server, whose API for requests and responses of HTTP/1.1 is used; one connection to it. */
async function startHttp2(t: ExecutionContext, options: SseConnectorOptions = {}) {
  const connector = new SseConnector(options);
  const host = new RecordingHost();
  const exchanges: [Http2ServerRequest, Http2ServerResponse][] = [];
  const http = createServer((...exchange) => exchanges.push(exchange));
  await once(http.listen(0, "127.0.0.1"), "listening");
  const session = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  t.teardown(() => {
    session.destroy();
    http.close();
  });
  t.teardown(() => connector.stop());
  connector.start(host);

  /** Resolves when the request has come to the server; what it is answered is written down. */
  async function request(headers: Record<string, string> = {}) {
    const before = exchanges.length;
    const stream = session.request({ ":path": "/", ...headers }).setEncoding("utf8");
    stream.on("error", () => {});
    const recording = new Recording();
    stream.on("data", (chunk: string) => recording.feed(chunk));
    await until(() => exchanges.length > before);
    const [asked, answer] = exchanges.at(-1)!;
    const handle = () => connector.handle(asked, answer, "ann");
    return { stream, recording, answer, handle };
  }

  return { connector, host, request };
}

test("HTTP/2 › a response is a stream as on HTTP/1.1, for many clients on one connection", async (t) => {
  const { connector, host, request } = await startHttp2(t);
  const clients = [await request(), await request()];
  const heads = clients.map(({ stream }) => once(stream, "response"));

  for (const { handle } of clients) handle();
  for (let i = 0; i < 3; i++) connector.deliver(new Set(["ann"]), message("chat", i));

  for (const [i, { recording, stream }] of clients.entries()) {
    const [head] = (await heads[i]!) as [Record<string, unknown>];
    t.like(head, { ":status": 200, "content-type": "text/event-stream; charset=utf-8" });
    await until(() => recording.events.length === 3);
    t.deepEqual(recording.msgs, [0, 1, 2]);
    stream.close();
  }
  await until(() => connector.stats.sessions === 0);
  t.deepEqual(host.events, ["opened ann", "opened ann", "closed ann", "closed ann"]);
});

test("HTTP/2 › a client that comes back gets what it has missed; one that is disconnected sees the end of the stream", async (t) => {
  const { connector, host, request } = await startHttp2(t, { history: {} });
  const first = await request();

  first.handle();
  connector.deliver(new Set(["ann"]), message("chat", 0));
  await until(() => first.recording.events.length === 1);
  first.stream.close();
  await until(() => connector.stats.kept === 1);
  connector.deliver(new Set(["ann"]), message("chat", 1));
  const second = await request({ "last-event-id": first.recording.lastEventId! });
  second.handle();
  connector.deliver(new Set(["ann"]), message("chat", 2));
  const ended = once(second.stream, "end");
  connector.disconnectUsers(new Set(["ann"]));

  await ended;
  t.deepEqual(second.recording.msgs, [1, 2]);
  t.deepEqual(host.events, ["opened ann", "closed ann"]);
});

test("HTTP/2 › a client that went away before it is handled leaves no session", async (t) => {
  const { connector, host, request } = await startHttp2(t);
  const { stream, answer, handle } = await request();

  const gone = once(answer, "close");
  stream.close();
  await gone;
  handle();

  await until(() => connector.stats.sessions === 0);
  t.deepEqual(host.events, ["opened ann", "closed ann"]);
});
