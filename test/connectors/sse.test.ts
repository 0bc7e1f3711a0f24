import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { type SseConnectorOptions, SseConnector } from "../../src/connectors/sse/connector.js";
import { Client, listen, lose, startConnector } from "./sse-support.js";
import { breakHost, message, RecordingHost, uidOfQuery, until } from "./websocket-support.js";

// Options

const INVALID_OPTIONS: [option: string, options: Record<string, unknown>][] = [
  ["options", null as never],
  ["retryMs", { retryMs: 0 }],
  ["retryMs", { retryMs: "2s" }],
  ["heartbeatMs", { heartbeatMs: Infinity }],
  ["heartbeatMs", { heartbeatMs: 9 }],
  ["maxBufferedBytes", { maxBufferedBytes: -1 }],
  ["maxBufferedBytes", { maxBufferedBytes: NaN }],
  ["history", { history: true }],
  ["history", { history: null }],
  ["heartBeatMs", { heartBeatMs: 1000 }],
  ["path", { path: "/events" }],
];

test("constructor › refuses an invalid option by its name", (t) => {
  for (const [option, options] of INVALID_OPTIONS) {
    const error = t.throws(() => new SseConnector(options as SseConnectorOptions), undefined, option);
    t.like(error, { code: "GC_INVALID_OPTION", argument: option });
    t.regex(error.message, new RegExp(option));
  }
});

test("constructor › refuses an invalid option of the history, and names both", (t) => {
  for (const [option, value] of [
    ["size", 0],
    ["size", "100"],
    ["ttlMs", 2 ** 31],
    ["ttl", 1000],
  ] as const) {
    t.throws(() => new SseConnector({ history: { [option]: value } }), {
      code: "GC_INVALID_OPTION",
      message: new RegExp(`history.*${option}`),
    });
  }
});

test("constructor › says what a misspelt option may have been", (t) => {
  t.throws(() => new SseConnector({ heartBeatMs: 1000 } as SseConnectorOptions), { message: /heartbeatMs\?/ });
  t.throws(() => new SseConnector({ history: { ttl: 1000 } } as SseConnectorOptions), { message: /ttlMs\?/ });
});

// Start

test("start › is refused while the connector serves a frontend", async (t) => {
  const { connector, host, connectClient } = await startConnector(t);

  t.throws(() => connector.start(new RecordingHost()), { code: "GC_INVALID_ARGUMENT" });

  await connectClient("ann");
  t.deepEqual(host.events, ["opened ann"]);
});

test("start › may come after stop, for another frontend", async (t) => {
  const { connector, host, connectClient } = await startConnector(t);
  const next = new RecordingHost();

  await connectClient("ann");
  await connector.stop();
  connector.start(next);
  const client = await connectClient("bob");
  client.cut();
  await until(() => connector.stats.sessions === 0);

  t.deepEqual(host.events, ["opened ann", "closed ann"]);
  t.deepEqual(next.events, ["opened bob", "closed bob"]);
});

// What is refused

/** A server that answers with 400 and the code where the connector refuses. */
function startStrict(
  t: ExecutionContext,
  handle: (connector: SseConnector, ...args: [IncomingMessage, ServerResponse]) => void,
) {
  return startConnector(t, { history: {} }, (request, response, connector) => {
    try {
      handle(connector, request, response);
    } catch (error) {
      response.writeHead(400).end((error as { code: string }).code);
    }
  });
}

/** What a client is answered that gets no stream. */
async function answerOf(client: Client): Promise<{ status: number | undefined; text: string }> {
  await client.closed;
  return { status: client.response?.statusCode, text: client.text };
}

test("handle › is refused before start and after stop, and leaves the response to the application", async (t) => {
  const { connector, host, openClient, connectClient } = await startStrict(t, (sse, request, response) =>
    sse.handle(request, response, uidOfQuery(request)),
  );
  const idle = new SseConnector();
  const http = createServer((request, response) => {
    t.throws(() => idle.handle(request, response, "ann"), { code: "GC_NOT_STARTED" });
    response.writeHead(503).end();
  });
  const url = await listen(t, http);

  const before = await fetch(url);
  const client = await connectClient("ann");
  await connector.stop();

  t.is(before.status, 503);
  t.deepEqual(await answerOf(openClient("ann")), { status: 400, text: "GC_NOT_STARTED" });
  t.deepEqual(await answerOf(openClient("ann", { lastEventId: client.lastEventId })), {
    status: 400,
    text: "GC_NOT_STARTED",
  });
  t.deepEqual(host.events, ["opened ann", "closed ann"]);
});

for (const [title, uid, status] of [
  ["no uid", undefined, 200],
  ["an empty uid", "", 200],
  ["a uid that is too long", "x".repeat(1025), 200],
  ["a uid with a lone surrogate", "\ud800", 200],
  ["a uid that is no safe integer", 2 ** 53, 200],
  ["a status that is a refusal", "ann", 401],
  ["a status without content", "ann", 204],
  ["a status that is no number", "ann", "200"],
] as const) {
  test(`handle › refuses ${title}, and leaves nothing behind`, async (t) => {
    const { connector, host, openClient } = await startStrict(t, (sse, request, response) =>
      sse.handle(request, response, uid as string, { status: status as number }),
    );

    t.deepEqual(await answerOf(openClient("ann")), { status: 400, text: "GC_INVALID_ARGUMENT" });
    t.deepEqual(await answerOf(openClient("ann", { lastEventId: "x" })), { status: 400, text: "GC_INVALID_ARGUMENT" });

    t.deepEqual(connector.stats, { sessions: 0, kept: 0, users: 0, slowClosed: 0 });
    t.deepEqual(host.events, []);
  });
}

test("handle › takes an integer for the same user as its decimal string", async (t) => {
  const { connector, host, connectClient } = await startConnector(t, {}, (request, response, sse) => {
    sse.handle(request, response, 7);
  });

  const client = await connectClient("7");

  t.deepEqual(host.events, ["opened 7"]);
  t.deepEqual(connector.deliver(new Set(["7"]), message("chat", 1)), []);
  await until(() => client.events.length === 1);
});

test("handle › refuses a response that is answered already, also of a client that comes back, whose session stays as it is", async (t) => {
  const { connector, host, connectClient, openClient } = await startConnector(
    t,
    { history: {} },
    (request, response, sse) => {
      if (request.url!.startsWith("/answered")) response.writeHead(202).flushHeaders();
      try {
        sse.handle(request, response, uidOfQuery(request));
      } catch (error) {
        response.end((error as { code: string }).code);
      }
    },
  );
  const client = await connectClient("ann");

  for (const lastEventId of [undefined, client.lastEventId]) {
    const answer = await answerOf(openClient("ann", { path: "/answered", lastEventId }));
    t.deepEqual(answer, { status: 202, text: "GC_INVALID_ARGUMENT" });
  }

  t.deepEqual(host.events, ["opened ann"]);
  t.deepEqual(connector.stats, { sessions: 1, kept: 0, users: 1, slowClosed: 0 });
  connector.deliver(new Set(["ann"]), message("chat", 1));
  await until(() => client.events.length === 1);
});

test("handle › answers with the status that is wanted", async (t) => {
  const { connectClient } = await startConnector(t, {}, (request, response, sse) => {
    sse.handle(request, response, uidOfQuery(request), { status: 201 });
  });

  const { response } = await connectClient("ann");

  t.is(response!.statusCode, 201);
});

// Sessions

test("a session › is told opened once and closed once, however it ends", async (t) => {
  const { connector, host, responses, connectClient } = await startConnector(t);

  for (const end of [
    (client: Client) => client.cut(),
    (client: Client) => client.request.socket!.resetAndDestroy(),
    () => connector.disconnectUsers(new Set(["ann"])),
    () => responses.at(-1)!.end(),
    () => responses.at(-1)!.destroy(),
    () => responses.at(-1)!.socket!.destroy(),
  ]) {
    const client = await connectClient("ann");
    end(client);
    end(client);
    await until(() => connector.stats.sessions === 0);
    await client.closed;
  }
  await connector.stop();

  t.deepEqual(
    host.events,
    Array.from({ length: 12 }, (_, i) => (i % 2 ? "closed ann" : "opened ann")),
  );
});

for (const method of ["handle", "accept"] as const) {
  for (const [ago, goAway] of [
    ["just", (_client: Client, response: ServerResponse) => void response.socket!.destroy()],
    [
      "long",
      async (client: Client, response: ServerResponse) => {
        client.cut();
        await once(response, "close");
      },
    ],
  ] as const) {
    test(`a session › of a client that had ${ago} gone away before ${method} is closed at once`, async (t) => {
      const requests: IncomingMessage[] = [];
      const { connector, host, responses, openClient } = await startConnector(t, {}, (request) => {
        requests.push(request);
      });
      const client = openClient("ann");
      await until(() => responses.length === 1);
      const [request, response] = [requests[0]!, responses[0]!];

      await goAway(client, response);
      const session =
        method === "handle" ? connector.handle(request, response, "ann") : connector.accept(response, "ann");
      await session.closed;
      session.begin();

      t.deepEqual(host.events, ["opened ann", "closed ann"]);
      t.is(connector.stats.sessions, 0);
      t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), ["ann"]);
    });
  }
}

test("a session › says when it is closed", async (t) => {
  const sessions: ReturnType<SseConnector["handle"]>[] = [];
  const { connectClient } = await startConnector(t, {}, (request, response, sse) => {
    sessions.push(sse.handle(request, response, uidOfQuery(request)));
  });
  const client = await connectClient("ann");
  await connectClient("ann");
  t.deepEqual(
    sessions.map(({ uid, isClosed }) => [uid, isClosed]),
    [
      ["ann", false],
      ["ann", false],
    ],
  );

  client.cut();
  await sessions[0]!.closed;
  await Promise.all([sessions[1]!.close(), sessions[1]!.close()]);

  t.deepEqual(
    sessions.map(({ isClosed }) => isClosed),
    [true, true],
  );
  t.false(sessions[1]!.send("chat", 1));
});

test("a session › goes on where the host throws; the host is told", async (t) => {
  const { connector, host, connectClient } = await startConnector(t);
  const failure = breakHost(host);

  const client = await connectClient("ann");
  connector.deliver(new Set(["ann"]), message("chat", "hi"));
  await until(() => client.events.length === 1);
  client.cut();
  await until(() => host.errors.length === 2);

  for (const error of host.errors) t.like(error, { code: "GC_LISTENER_FAILED", cause: failure });
  t.deepEqual(connector.stats, { sessions: 0, kept: 0, users: 0, slowClosed: 0 });
});

test("a session › is counted in stats, with its user, and as kept while its client may come back", async (t) => {
  const started = await startConnector(t, { history: {} });
  const { connector, connectClient, comeBack } = started;
  const client = await connectClient("ann");
  await connectClient("ann");
  await connectClient("bob");

  t.deepEqual(connector.stats, { sessions: 3, kept: 0, users: 2, slowClosed: 0 });
  await lose(started, client);
  t.deepEqual(connector.stats, { sessions: 3, kept: 1, users: 2, slowClosed: 0 });
  await comeBack("ann", client);
  t.deepEqual(connector.stats, { sessions: 3, kept: 0, users: 2, slowClosed: 0 });
});

// Ends

test("disconnectUsers › closes every session of each user after what was delivered, and returns the uids that have none", async (t) => {
  const { connector, host, connectClient } = await startConnector(t);
  const ann = [await connectClient("ann"), await connectClient("ann")];
  const bob = await connectClient("bob");

  connector.deliver(new Set(["ann"]), message("chat", "the last"));
  t.deepEqual(connector.disconnectUsers(new Set(["ann", "nobody"])), ["nobody"]);
  t.deepEqual(connector.disconnectUsers(new Set(["ann"])), ["ann"]);
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", "too late")), ["ann"]);

  for (const client of ann) {
    await client.closed;
    t.true(client.response!.complete);
    t.deepEqual(client.msgs, ["the last"]);
  }
  t.deepEqual(host.events.slice(3), ["closed ann", "closed ann"]);
  t.deepEqual(connector.deliver(new Set(["bob"]), message("chat", 1)), []);
  await until(() => bob.events.length === 1);
});

test("disconnectUsers › closes a kept session, too: its client gets another one", async (t) => {
  const started = await startConnector(t, { history: {} });
  const { connector, host, connectClient, comeBack } = started;
  const client = await connectClient("ann");

  await lose(started, client);
  t.deepEqual(connector.disconnectUsers(new Set(["ann"])), []);
  t.deepEqual(host.events, ["opened ann", "closed ann"]);
  const next = await comeBack("ann", client);

  await until(() => next.events.length === 1);
  t.deepEqual(next.received, [{ route: "gap", msg: { missed: null } }]);
  t.deepEqual(host.events.slice(2), ["opened ann"]);
});

test("stop › closes every session after what was delivered, kept ones too, and tells the host of each", async (t) => {
  const started = await startConnector(t, { history: {} });
  const { connector, host, connectClient } = started;
  const clients = [await connectClient("ann"), await connectClient("ann")];
  await lose(started, await connectClient("bob"));

  for (let i = 0; i < 100; i++) connector.deliver(new Set(["ann"]), message("chat", i));
  await connector.stop();

  for (const client of clients) {
    await client.closed;
    t.true(client.response!.complete);
    t.is(client.events.length, 100);
  }
  t.deepEqual(host.events.slice(3).toSorted(), ["closed ann", "closed ann", "closed bob"]);
  t.deepEqual(connector.stats, { sessions: 0, kept: 0, users: 0, slowClosed: 0 });
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), ["ann"]);
});

/** A client that has more to take than its connection holds, and takes nothing. */
async function connectDeaf({ connector, connectClient, responses }: Awaited<ReturnType<typeof startConnector>>) {
  const deaf = await connectClient("deaf");
  deaf.pause();
  connector.deliver(new Set(["deaf"]), message("chat", "x".repeat(20_000_000)));
  return { deaf, response: responses.at(-1)! };
}

test("stop › gives clients a second to take what was sent, also where it is called again, and cuts them off then", async (t) => {
  const started = await startConnector(t);
  const { connector, host, connectClient } = started;
  const { response } = await connectDeaf(started);
  await connectClient("ann");
  const begin = Date.now();

  const first = connector.stop();
  await connector.stop();

  const took = Date.now() - begin;
  t.true(took >= 900 && took < 5000, `${took} ms`);
  t.true(response.destroyed);
  await first;
  t.deepEqual(host.events.slice(2).toSorted(), ["closed ann", "closed deaf"]);
});

test("stop › may be called again, at the same time, and before start, and a start may follow", async (t) => {
  const idle = new SseConnector();
  await idle.stop();
  const started = await startConnector(t);
  const { connector, host, connectClient } = started;
  await connectDeaf(started);

  await Promise.all([connector.stop(), connector.stop().then(() => connector.start(host))]);
  const client = await connectClient("ann");

  t.deepEqual(host.events, ["opened deaf", "closed deaf", "opened ann"]);
  client.cut();
  await until(() => host.events.length === 4);
  t.deepEqual(host.errors, []);
});

test("stop › leaves nothing that keeps a process alive", async (t) => {
  const module = JSON.stringify(new URL("../../src/connectors/sse/connector.ts", import.meta.url).href);
  const program = `
    import { once } from "node:events";
    import { createServer, get } from "node:http";
    import { SseConnector } from ${module};
    const connector = new SseConnector({ history: {} });
    connector.start({ sid: "a", opened() {}, closed() {}, message() {}, error() {} });
    const http = createServer((request, response) => connector.handle(request, response, "ann")).listen(0, "127.0.0.1");
    await once(http, "listening");
    const open = async () => (await once(get({ port: http.address().port, host: "127.0.0.1", agent: false }), "response"))[0];
    const [lost, other] = [await open(), await open()];
    lost.on("error", () => {}).destroy();
    while (connector.stats.kept === 0) await new Promise(setImmediate);
    const gone = once(other.resume(), "close");
    await connector.stop();
    await gone;
    http.close();
    await once(http, "close");
    console.log(process.getActiveResourcesInfo().filter((name) => name === "Timeout").join() || "nothing");
  `;

  const args = ["--import=tsx", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 8000 });

  t.is(stdout.trim(), "nothing");
});
