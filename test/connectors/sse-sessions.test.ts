import type { ServerResponse } from "node:http";
import test, { type ExecutionContext } from "ava";
import type { SseConnectorOptions, SseSession } from "../../src/connectors/sse/connector.js";
import { lose, NOBODY, startConnector } from "./sse-support.js";
import { message, uidOfQuery, until } from "./websocket-support.js";

/** A connector that accepts clients, and leaves the rest to the test. */
async function startAccepting(t: ExecutionContext, options: SseConnectorOptions = {}) {
  const sessions: SseSession[] = [];
  const started = await startConnector(t, options, (request, response, connector) => {
    const kept = connector.sessionOf(request);
    if (kept) kept.resume(request, response);
    else sessions.push(connector.accept(response, uidOfQuery(request)));
  });

  /** A client whose session waits for `begin`. */
  async function acceptClient(uid: string) {
    const before = sessions.length;
    const client = started.openClient(uid);
    await until(() => sessions.length > before);
    return { client, session: sessions.at(-1)!, response: started.responses.at(-1)! };
  }

  return { ...started, acceptClient };
}

function refuse(response: ServerResponse): void {
  response.writeHead(403).end("refused");
}

for (const [title, history] of [
  ["without a history", undefined],
  ["with a history", {}],
] as const) {
  test(`accept › ${title} opens a session, and what is delivered to it comes after the hello of begin`, async (t) => {
    const { connector, host, acceptClient } = await startAccepting(t, { history });
    const { client, session } = await acceptClient("ann");

    t.deepEqual(host.events, ["opened ann"]);
    t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), []);
    t.is(connector.deliverToAll(message("chat", 2), NOBODY), 1);
    t.true(session.send("chat", 3));
    session.begin({ status: 202, hello: { route: "hello", msg: { name: "ann" } } });
    connector.deliver(new Set(["ann"]), message("chat", 4));
    await until(() => client.events.length === 5);

    t.is(client.response!.statusCode, 202);
    t.deepEqual(client.received, [
      { route: "hello", msg: { name: "ann" } },
      ...[1, 2, 3, 4].map((msg) => ({ route: "chat", msg })),
    ]);
  });

  test(`accept › ${title} answers nothing, not even heartbeats, before begin; it begins once`, async (t) => {
    const { acceptClient, connectClient } = await startConnectorWithBoth(t, history);
    const { client, session } = await acceptClient("ann");
    const other = await connectClient("bob");

    await until(() => other.comments >= 5);
    t.is(client.response, undefined);
    session.begin();
    session.begin({ hello: { route: "hello", msg: 1 } });
    session.send("chat", 2);
    await until(() => client.events.length > 0);

    t.deepEqual(client.msgs, [2]);
    t.is(client.retries.length, 1);
    t.is(client.response!.statusCode, 200);
  });
}

/** A connector with short heartbeats that begins the sessions of `bob` only. */
async function startConnectorWithBoth(t: ExecutionContext, history: SseConnectorOptions["history"]) {
  const started = await startAccepting(t, { history, heartbeatMs: 10 });
  return {
    ...started,
    async connectClient(uid: string) {
      const { client, session } = await started.acceptClient(uid);
      session.begin();
      return client;
    },
  };
}

test("accept › keeps no more than maxBufferedBytes for begin: the session is closed as too slow", async (t) => {
  const { connector, host, acceptClient } = await startAccepting(t, { maxBufferedBytes: 10_000 });
  const { client, session, response } = await acceptClient("ann");
  const push = () => connector.deliver(new Set(["ann"]), message("chat", "x".repeat(4000)));

  t.deepEqual([push(), push(), push()], [[], [], ["ann"]]);
  t.deepEqual(push(), ["ann"]);

  t.true(session.isClosed);
  t.deepEqual(host.events, ["opened ann", "closed ann"]);
  t.deepEqual(connector.stats, { sessions: 0, kept: 0, users: 0, slowClosed: 1 });
  session.begin();
  refuse(response);
  await client.closed;
  t.is(client.text, "refused");
});

test("accept › keeps one message of any size for begin", async (t) => {
  const { connector, acceptClient } = await startAccepting(t, { maxBufferedBytes: 100 });
  const { client, session } = await acceptClient("ann");
  const text = "x".repeat(100_000);

  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", text)), []);
  session.begin();
  await until(() => client.events.length === 1);

  t.deepEqual(client.msgs, [text]);
});

test("begin › after close does nothing: the response is its owner's to answer, whatever has closed the session", async (t) => {
  const { connector, host, acceptClient } = await startAccepting(t, { history: {} });

  for (const close of [
    (session: SseSession) => session.close(),
    () => connector.disconnectUsers(new Set(["ann"])),
    () => connector.stop(),
  ]) {
    const { client, session, response } = await acceptClient("ann");
    session.send("chat", "for nobody");
    await close(session);
    await session.closed;
    session.begin({ hello: { route: "hello", msg: 1 } });
    refuse(response);
    await client.closed;
    t.is(client.response!.statusCode, 403);
    t.is(client.text, "refused");
  }

  t.deepEqual(
    host.events,
    Array.from({ length: 6 }, (_, i) => (i % 2 ? "closed ann" : "opened ann")),
  );
});

test("begin › does nothing for a client that has gone, whose session is closed, also with a history", async (t) => {
  const { connector, host, acceptClient } = await startAccepting(t, { history: {} });
  const { client, session, response } = await acceptClient("ann");

  client.cut();
  await session.closed;
  session.begin({ hello: { route: "hello", msg: 1 } });

  t.false(response.headersSent);
  t.deepEqual(host.events, ["opened ann", "closed ann"]);
  t.deepEqual(connector.stats, { sessions: 0, kept: 0, users: 0, slowClosed: 0 });
});

test("begin › closes the session that its owner has answered in its place", async (t) => {
  const { host, acceptClient } = await startAccepting(t);
  const { session, response } = await acceptClient("ann");

  refuse(response);
  await session.closed;

  t.deepEqual(host.events, ["opened ann", "closed ann"]);
});

test("begin › refuses what is wrong, answers nothing then, and may be called again", async (t) => {
  const { connector, acceptClient } = await startAccepting(t);
  const { client, session } = await acceptClient("ann");
  connector.deliver(new Set(["ann"]), message("chat", 1));

  t.throws(() => session.begin({ status: 404 }), { code: "GC_INVALID_ARGUMENT" });
  t.throws(() => session.begin({ hello: { route: "a\nb", msg: 1 } }), { code: "GC_INVALID_ARGUMENT" });
  t.throws(() => session.begin({ hello: { route: "hello", msg: undefined } }), { code: "GC_MESSAGE_NOT_SERIALIZABLE" });
  t.throws(() => session.begin({ hello: { route: "hello", msg: 1n } }), { code: "GC_MESSAGE_NOT_SERIALIZABLE" });
  session.begin({ hello: { route: "hello", msg: 0 } });

  await until(() => client.events.length === 2);
  t.deepEqual(client.msgs, [0, 1]);
});

test("send › reaches this client alone, in turn with what is delivered", async (t) => {
  const { connector, acceptClient } = await startAccepting(t);
  const [first, second] = [await acceptClient("ann"), await acceptClient("ann")];
  for (const { session } of [first, second]) session.begin();

  connector.deliver(new Set(["ann"]), message("chat", 1));
  t.true(first.session.send("only you", 2));
  connector.deliver(new Set(["ann"]), message("chat", 3));
  await until(() => first.client.events.length === 3 && second.client.events.length === 2);

  t.deepEqual(first.client.msgs, [1, 2, 3]);
  t.deepEqual(second.client.msgs, [1, 3]);
});

test("send › refuses what is no event", async (t) => {
  const { acceptClient } = await startAccepting(t);
  const { client, session } = await acceptClient("ann");
  session.begin();

  t.throws(() => session.send("a\nb", 1), { code: "GC_INVALID_ARGUMENT" });
  t.throws(() => session.send("", 1), { code: "GC_INVALID_ARGUMENT" });
  t.throws(() => session.send("\ud800", 1), { code: "GC_INVALID_ARGUMENT" });
  t.throws(() => session.send("chat", undefined), { code: "GC_MESSAGE_NOT_SERIALIZABLE" });
  session.send("chat", "sentinel");

  await until(() => client.events.length > 0);
  t.deepEqual(client.msgs, ["sentinel"]);
});

test("send › says whether the message is written or kept: not after the end of the session", async (t) => {
  const started = await startAccepting(t, { history: {} });
  const { client, session } = await started.acceptClient("ann");
  session.begin();
  await until(() => client.retries.length > 0);

  await lose(started, client);
  t.true(session.isKept);
  t.true(session.send("chat", 1));
  const back = await started.comeBack("ann", client);
  await until(() => back.events.length === 1);
  await session.close();

  t.deepEqual(back.msgs, [1]);
  t.false(session.send("chat", 2));
});
