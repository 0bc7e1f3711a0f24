import { once } from "node:events";
import { connect } from "node:net";
import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";
import { type Client, startConnector, NOBODY } from "./sse-support.js";
import { checkOnlyGoodIsLeft, countOf, message, until } from "./websocket-support.js";

/** A connector with a client that must get its pushes whatever other clients do. */
async function startWithGoodClient(t: ExecutionContext) {
  const started = await startConnector(t, { history: { size: 5, ttlMs: 20 }, heartbeatMs: 10 });
  const good = await started.connectClient("good");

  async function checkGoodClient(): Promise<void> {
    const { length } = good.events;
    const failed = started.connector.deliver(new Set(["good"]), message("chat", length));
    if (!Array.isArray(failed) || failed.length > 0) throw new Error("no session");
    await until(() => good.events.length > length);
    if (good.msgs.at(-1) !== length) throw new Error(`got ${JSON.stringify(good.events.at(-1))}`);
  }

  return {
    ...started,
    good,
    checkGoodClient,
    async checkOthersGone() {
      await checkOnlyGoodIsLeft(t, started);
      t.is(started.connector.stats.kept, 0);
    },
  };
}

/** What a header may have: https://www.rfc-editor.org/rfc/rfc9110#section-5.5 */
const headerValue = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((code) => code !== 0x7f)
    .map((code) => String.fromCharCode(code)),
  maxLength: 300,
});

test("any Last-Event-ID harms only the client that sends it", async (t) => {
  const { connector, good, connectClient, checkGoodClient, checkOthersGone } = await startWithGoodClient(t);
  const session = good.lastEventId!.split(".")[0]!;
  const nearlyRight = fc
    .tuple(
      fc.constantFrom(session, session.toLowerCase(), session.slice(1), "x".repeat(22), "__proto__"),
      fc.constantFrom(".", "", "..", ",", "%2e"),
      fc.oneof(fc.nat(20).map(String), fc.constantFrom("-1", "1e3", "9".repeat(15), "9".repeat(16), "0x1", "NaN", "")),
    )
    .map((parts) => parts.join(""));

  await fc.assert(
    fc.asyncProperty(fc.oneof(headerValue, nearlyRight), async (lastEventId) => {
      const bad = await connectClient("bad", { lastEventId });
      connector.deliver(new Set(["bad"]), message("chat", "to bad"));
      await checkGoodClient();
      await until(() => bad.msgs.at(-1) === "to bad");
      const first = bad.received[0];
      // White space around a header's value is no part of it.
      if (lastEventId.trim() !== "") t.deepEqual(first, { route: "gap", msg: { missed: null } });
      bad.cut();
    }),
    { numRuns: 200 },
  );

  await checkOthersGone();
  t.deepEqual(good.msgs, [...good.events.keys()]);
});

test("any moment at which clients go away, or come back, harms nobody else", async (t) => {
  const { connector, openClient, checkGoodClient, checkOthersGone, host } = await startWithGoodClient(t);
  const moments = fc.array(
    fc.record({ waits: fc.nat(4), pushes: fc.nat(3), politely: fc.boolean(), back: fc.boolean() }),
    {
      maxLength: 6,
    },
  );

  await fc.assert(
    fc.asyncProperty(moments, async (lives) => {
      let bad: Client | undefined;
      for (const { waits, pushes, politely, back } of lives) {
        bad = openClient("bad", { lastEventId: back ? bad?.lastEventId : undefined });
        for (let i = 0; i < waits; i++) await new Promise((resolve) => setTimeout(resolve, i));
        for (let i = 0; i < pushes; i++) connector.deliverToAll(message("chat", i), new Set(["good"]));
        const { socket } = bad.request;
        if (politely || !socket) bad.cut();
        else socket.resetAndDestroy();
      }
      await checkGoodClient();
    }),
    { numRuns: 150 },
  );

  t.true(countOf(host, "opened bad") > 0);
  await checkOthersGone();
});

test("any bytes instead of a request, or after it, harm only the client that sends them", async (t) => {
  const { http, checkGoodClient, checkOthersGone } = await startWithGoodClient(t);
  const request = Buffer.from("GET /?uid=bad HTTP/1.1\r\nHost: a\r\n\r\n");
  const { port } = http.address() as { port: number };

  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
      fc.boolean(),
      async (chunks, asks) => {
        const bad = connect(port, "127.0.0.1");
        bad.on("error", () => {}).resume();
        t.teardown(() => bad.destroy());
        const closed = once(bad, "close");
        await once(bad, "connect");
        if (asks) bad.write(request);
        for (const chunk of chunks) bad.write(chunk);
        await checkGoodClient();
        bad.resetAndDestroy();
        await closed;
      },
    ),
    { numRuns: 150 },
  );

  await checkOthersGone();
});

/** Anything well-formed that is one line. */
const route = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 30 }),
    fc.stringMatching(/^[ :\t]*(data|event|id|retry)?[ :]*[a-z]+[ :]*$/, { maxLength: 30 }),
  )
  .filter((text) => text !== "" && text.isWellFormed() && !/[\r\n]/.test(text));

/** JSON, as JSON.stringify writes it, with lone surrogates too, and with white space; and what is no JSON at all. */
const body = fc.oneof(
  fc.json(),
  fc.jsonValue().map((value) => JSON.stringify(value, null, "\t")),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => JSON.stringify(String.fromCharCode(...units))),
  fc
    .array(fc.constantFrom("\n", "\r", "\r\n", " ", ":", "data: 1", "event: x", "id: 7", "retry: 1", "\ufeff", "\0"))
    .map((parts) => parts.join("")),
);

for (const [title, history] of [
  ["without a history", undefined],
  ["with a history", { size: 1000 }],
] as const) {
  test(`any routes and bodies arrive as they were sent, ${title}`, async (t) => {
    const { connector, connectClient } = await startConnector(t, { history, heartbeatMs: 10 });
    const client = await connectClient("ann");

    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ route, body }), { minLength: 1, maxLength: 20 }), async (messages) => {
        const { length } = client.events;
        for (const each of messages) connector.deliverToAll(each, NOBODY);
        await until(() => client.events.length >= length + messages.length);
        t.deepEqual(
          client.events.slice(length).map(({ event, data }) => ({ route: event, body: data })),
          // The standard has one kind of line break.
          messages.map((each) => ({ ...each, body: each.body.replace(/\r\n?/g, "\n") })),
        );
      }),
      { numRuns: 200 },
    );

    t.is(client.retries.length, 1);
  });
}

test("any routes that are not well-formed, or of several lines, are refused", async (t) => {
  const { connector, connectClient } = await startConnector(t);
  const client = await connectClient("ann");
  const bad = fc
    .tuple(fc.string(), fc.constantFrom("\n", "\r", "\ud800", "\udfff"), fc.string())
    .map((parts) => parts.join(""));

  await fc.assert(
    fc.asyncProperty(bad, async (name) => {
      t.throws(() => connector.deliver(new Set(["ann"]), { route: name, body: "1" }), { code: "GC_INVALID_ARGUMENT" });
    }),
  );
  connector.deliver(new Set(["ann"]), message("sentinel", 2));
  await until(() => client.events.length > 0);

  t.deepEqual(client.received, [{ route: "sentinel", msg: 2 }]);
});
