import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";
import { startConnector } from "./socket-io-support.js";
import { message, until, checkOnlyGoodIsLeft, countOf } from "./websocket-support.js";

/** A connector with a client that must get its pushes whatever other clients do. */
async function startWithGoodClient(t: ExecutionContext) {
  // Where clients acknowledge, an answer that nobody asked for is one more thing that they may send.
  const started = await startConnector(t, { acknowledge: (route) => route === "asked", acknowledgeTimeoutMs: 50 });
  const good = await started.openSession("good");

  async function checkGoodClient(): Promise<void> {
    const { length } = good.received;
    void started.connector.deliverToAll(message("asked", 0), new Set(["good"]));
    const failed = started.connector.deliver(new Set(["good"]), message("chat", length));
    if (!Array.isArray(failed) || failed.length > 0) throw new Error("no session");
    await until(() => good.received.length > length);
    if (good.messages("chat").at(-1) !== length) throw new Error(`got ${JSON.stringify(good.received.at(-1))}`);
  }

  return {
    ...started,
    checkGoodClient,
    async checkOthersGone() {
      await checkOnlyGoodIsLeft(t, started);
      t.true(countOf(started.host, "opened bad") > 0);
    },
  };
}

/** Packets of Engine.IO (the first digit) and Socket.IO (the second), right, nearly right, and not at all. */
const packet = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.json(),
  fc
    .record({
      type: fc.constantFrom("40", "41", "42", "43", "44", "45", "46", "47", "4", "2", "3", "5", "6"),
      attachments: fc.constantFrom("", "", "1-", "2-", "999999-", "-"),
      namespace: fc.constantFrom("", "", "/game,", "/,", "/__proto__,", "/?uid=bad,"),
      id: fc.oneof(fc.constantFrom("", ""), fc.nat(20).map(String)),
      data: fc.oneof(
        fc.json(),
        fc
          .tuple(fc.oneof(fc.string(), fc.constantFrom("chat", "error", "disconnect", "__proto__")), fc.jsonValue())
          .map((event) => JSON.stringify(event)),
        fc.constant('["chat",{"_placeholder":true,"num":0}]'),
        fc.constant(""),
      ),
    })
    .map(({ type, attachments, namespace, id, data }) => `${type}${attachments}${namespace}${id}${data}`),
);

test("any packets over a WebSocket harm only the client that sends them", async (t) => {
  const { checkGoodClient, checkOthersGone, openWebSocket } = await startWithGoodClient(t);
  const anything = fc.oneof(packet, fc.uint8Array({ maxLength: 300 }));

  await fc.assert(
    fc.asyncProperty(fc.array(anything, { maxLength: 20 }), fc.boolean(), async (packets, polite) => {
      const bad = await openWebSocket("bad");
      for (const data of packets) bad.ws.send(data);
      await checkGoodClient();
      if (polite) bad.ws.close();
      else bad.ws.terminate();
      await bad.closed;
    }),
    { numRuns: 150 },
  );

  await checkOthersGone();
});

test("any packets over polling harm only the client that sends them", async (t) => {
  const { checkGoodClient, checkOthersGone, openPolling } = await startWithGoodClient(t);
  // A payload has packets with a separator between them.
  const payload = fc.oneof(
    fc.array(packet, { minLength: 1, maxLength: 10 }).map((packets) => packets.join("\u001e")),
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
  );

  await fc.assert(
    fc.asyncProperty(fc.array(payload, { maxLength: 5 }), fc.boolean(), async (payloads, atOnce) => {
      const bad = await openPolling("bad");
      const posts = payloads.map((body) => () => bad.post(body).catch(() => {}));
      if (atOnce) await Promise.all(posts.map((post) => post()));
      else for (const post of posts) await post();
      await checkGoodClient();
      // The packet of Engine.IO that closes.
      await bad.post("1").catch(() => {});
    }),
    { numRuns: 100 },
  );

  await checkOthersGone();
});

test("any bytes instead of a handshake harm only the client that sends them", async (t) => {
  const { checkGoodClient, openTcp, host } = await startWithGoodClient(t);
  const request = fc
    .record({
      method: fc.constantFrom("GET", "POST", "PUT", "OPTIONS"),
      query: fc.constantFrom(
        "EIO=4&transport=polling",
        "EIO=4&transport=websocket",
        "EIO=3&transport=polling",
        "EIO=4&sid=x",
        "transport=__proto__",
      ),
      headers: fc.constantFrom("", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "Content-Length: 5\r\n"),
      body: fc.string({ maxLength: 50 }),
    })
    .map(
      ({ method, query, headers, body }) =>
        `${method} /socket.io/?${query} HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`,
    );

  await fc.assert(
    fc.asyncProperty(fc.oneof(request, fc.uint8Array({ maxLength: 300 })), fc.boolean(), async (bytes, polite) => {
      const bad = await openTcp();
      const closed = once(bad, "close");
      bad.write(bytes);
      await checkGoodClient();
      if (polite) bad.end();
      else bad.resetAndDestroy();
      // One that keeps its half of the connection open is not waited for.
      setTimeout(() => bad.destroy(), 20);
      await closed;
    }),
    { numRuns: 100 },
  );

  t.deepEqual(
    host.events.filter((event) => event !== "opened good"),
    [],
  );
});
