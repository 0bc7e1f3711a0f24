import test from "ava";

import type { WebSocketConnector } from "../../src/connectors/websocket/connector.js";
import { type Client, clientFrame, message, startConnector, until, failedOf } from "./websocket-support.js";

const NOBODY: ReadonlySet<string> = new Set();

test("deliver › reaches every session of each user, and returns the uids that have none", async (t) => {
  const { connector, openSession } = await startConnector(t);
  const ann = [await openSession("ann"), await openSession("ann")];
  const bob = await openSession("bob");
  const eve = await openSession("eve");

  const failed = connector.deliver(new Set(["ann", "nobody", "bob"]), message("chat", { text: "hi" }));
  connector.deliver(new Set(["eve"]), message("chat", "sentinel"));

  t.deepEqual(failed, ["nobody"]);
  t.like(connector.stats, { sessions: 4, users: 3 });
  await until(() => eve.received.length > 0);
  for (const client of [...ann, bob]) {
    await until(() => client.received.length > 0);
    t.deepEqual(client.received, [{ route: "chat", msg: { text: "hi" } }]);
  }
  t.deepEqual(eve.received, [{ route: "chat", msg: "sentinel" }]);
});

test("deliver › a user whose one session closed is reached at the other, until that closes too", async (t) => {
  const { connector, host, openSession } = await startConnector(t);
  const [first, second] = [await openSession("ann"), await openSession("ann")];

  first.ws.close();
  await until(() => connector.stats.sessions === 1);
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), []);
  await until(() => second.received.length === 1);
  second.ws.close();
  await until(() => connector.stats.sessions === 0);

  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 2)), ["ann"]);
  t.deepEqual(host.events, ["opened ann", "opened ann", "closed ann", "closed ann"]);
});

test("deliver › with no receivers encodes nothing", async (t) => {
  const { connector, openSession } = await startConnector(t);
  await openSession("ann");
  const unreadable: { route: string; body: string } = {
    route: "chat",
    get body(): string {
      throw new Error("was encoded");
    },
  };

  t.deepEqual(connector.deliver(new Set(["nobody"]), unreadable), ["nobody"]);
  t.deepEqual(connector.deliver(new Set(), unreadable), []);
  t.is(connector.deliverToAll(unreadable, new Set(["ann"])), 0);
  t.throws(() => connector.deliver(new Set(["ann"]), unreadable), { message: "was encoded" });
});

test("deliverToAll › reaches every user but the ones left out, and counts users, not sessions", async (t) => {
  const { connector, openSession } = await startConnector(t);
  const ann = [await openSession("ann"), await openSession("ann")];
  const bob = await openSession("bob");
  const eve = await openSession("eve");

  t.is(connector.deliverToAll(message("news", 1), new Set(["eve", "nobody"])), 2);
  t.is(connector.deliverToAll(message("news", 2), NOBODY), 3);

  await until(() => [...ann, bob, eve].every(({ received }) => received.at(-1)?.msg === 2));
  for (const { received } of [...ann, bob]) t.is(received.length, 2);
  t.is(eve.received.length, 1);
});

test("disconnectUsers › closes every session of each user with 4403, and returns the uids that have none", async (t) => {
  const { connector, host, openSession } = await startConnector(t);
  const ann = [await openSession("ann"), await openSession("ann")];
  const bob = await openSession("bob");

  connector.deliver(new Set(["ann"]), message("chat", "the last"));
  t.deepEqual(connector.disconnectUsers(new Set(["ann", "nobody"])), ["nobody"]);
  t.deepEqual(connector.disconnectUsers(new Set(["ann"])), ["ann"]);

  for (const client of ann) {
    t.deepEqual(await client.closed, { code: 4403, reason: "disconnected" });
    t.deepEqual(client.received, [{ route: "chat", msg: "the last" }]);
  }
  await until(() => connector.stats.sessions === 1);
  t.deepEqual(host.events.slice(3), ["closed ann", "closed ann"]);
  t.deepEqual(connector.deliver(new Set(["bob"]), message("chat", 1)), []);
  await until(() => bob.received.length === 1);
});

test("pushes › arrive in the order of the calls, within a tick and over ticks, also between pings", async (t) => {
  const { connector, openSession } = await startConnector(t, { heartbeatMs: 20 });
  const client = await openSession("ann");
  const sent = Array.from({ length: 1000 }, (_, i) => i);

  for (const i of sent) {
    if (i % 3 === 0) connector.deliverToAll(message("chat", i), NOBODY);
    else connector.deliver(new Set(["ann"]), message("chat", i));
    if (i % 50 === 0) client.ws.ping();
    if (i % 7 === 0) await new Promise(setImmediate);
  }
  await until(() => client.received.length === sent.length);

  t.deepEqual(
    client.received.map(({ msg }) => msg),
    sent,
  );
});

test("pushes › arrive whole at every frame size, in any script", async (t) => {
  const { connector, openSession } = await startConnector(t);
  const client = await openSession("ann");
  const overhead = JSON.stringify({ route: "r", msg: "" }).length;
  // The lengths at which the header of a frame changes: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
  const texts = [0, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537, 1_000_000].map((length) =>
    "x".repeat(Math.max(0, length - overhead)),
  );
  texts.push("grüße 世界 👩‍👩‍👧 \u0000\u2028 \ud800", "é".repeat(60), "世".repeat(30_000));

  for (const text of texts) connector.deliver(new Set(["ann"]), message("r", text));
  connector.deliver(new Set(["ann"]), message('"ünï"\n', null));
  await until(() => client.received.length === texts.length + 1);

  t.deepEqual(
    client.received.slice(0, -1).map(({ msg }) => msg),
    texts,
  );
  t.deepEqual(client.received.at(-1), { route: '"ünï"\n', msg: null });
});

test("pushes › made just before stop arrive before the close", async (t) => {
  const { connector, openSession } = await startConnector(t);
  const client = await openSession("ann");

  for (let i = 0; i < 100; i++) connector.deliver(new Set(["ann"]), message("chat", i));
  const stopped = connector.stop();

  t.like(await client.closed, { code: 1001 });
  t.is(client.received.length, 100);
  await stopped;
});

test("pushes › nothing is written after a close frame, and the uid has failed", async (t) => {
  const { connector, openTcp } = await startConnector(t);
  const tcp = await openTcp();
  await tcp.upgrade("ann");
  await until(() => connector.stats.sessions === 1);
  const delivered: string[] = [];

  // The push after the close frame has gone out, while the client has not answered it.
  tcp.socket.write(clientFrame(2, "binary"));
  for (let i = 0; connector.stats.sessions === 1; i++) {
    if (failedOf(connector.deliver(new Set(["ann"]), message("chat", i))).length === 0)
      delivered.push(`{"route":"chat","msg":${i}}`);
    await new Promise(setImmediate);
  }
  await tcp.closed;

  const frames = tcp.frames();
  t.deepEqual(
    frames.slice(0, -1).map(({ payload }) => payload.toString()),
    delivered,
  );
  t.is(frames.at(-1)!.opcode, 8);
  t.is(frames.at(-1)!.payload.readUInt16BE(), 1003);
});

// Slow clients

/** Pushes until the client that does not read is closed for it; each push waits for the client that does. */
async function pushUntilSlow({ connector }: { connector: WebSocketConnector }, good: Client) {
  const body = message("chat", "x".repeat(100_000));
  let failed: readonly string[] = [];
  let pushes = 0;
  while (connector.stats.slowClosed === 0) {
    failed = failedOf(connector.deliver(new Set(["slow", "good"]), body));
    pushes++;
    await until(() => good.received.length === pushes);
  }
  return failed;
}

test("a slow client › is closed with 1013 and has failed; others get everything", async (t) => {
  const started = await startConnector(t, { maxBufferedBytes: 150_000 });
  const slow = await started.openSession("slow");
  const good = await started.openSession("good");

  slow.ws.pause();
  const failed = await pushUntilSlow(started, good);
  slow.ws.resume();

  t.deepEqual(failed, ["slow"]);
  t.like(await slow.closed, { code: 1013 });
  await until(() => started.connector.stats.sessions === 1);
  t.deepEqual(started.host.events, ["opened slow", "opened good", "closed slow"]);
  t.is(started.connector.stats.slowClosed, 1);
});

test("a slow client › that does not even take the close frame is cut off", async (t) => {
  const started = await startConnector(t, { maxBufferedBytes: 150_000 });
  const slow = await started.openSession("slow");
  const good = await started.openSession("good");

  slow.ws.pause();
  await pushUntilSlow(started, good);
  const closedAt = Date.now();
  await until(() => started.connector.stats.sessions === 1);

  t.true(Date.now() - closedAt < 5000);
  t.deepEqual(started.host.events.at(-1), "closed slow");
  slow.ws.terminate();
});

test("a slow client › does not fail its user while another session of the user takes the message", async (t) => {
  const started = await startConnector(t, { maxBufferedBytes: 150_000 });
  const slow = await started.openSession("good");
  const good = await started.openSession("good");

  slow.ws.pause();
  const failed = await pushUntilSlow(started, good);

  t.deepEqual(failed, ["slow"], "nobody has that uid here");
  slow.ws.terminate();
});

test("a slow client › is not one that reads, where a tick has more than maxBufferedBytes for it", async (t) => {
  const { connector, openSession } = await startConnector(t, { maxBufferedBytes: 10_000 });
  const client = await openSession("ann");

  for (let i = 0; i < 20; i++) {
    t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", "x".repeat(5000))), []);
  }

  await until(() => client.received.length === 20);
  t.is(connector.stats.slowClosed, 0);
});

// Heartbeat

test("heartbeat › a client that does not answer its ping by the next one is cut off; one that does stays", async (t) => {
  const { connector, host, openSession } = await startConnector(t, { heartbeatMs: 50 });
  const mute = await openSession("mute", { autoPong: false });
  const good = await openSession("good");

  const { code } = await mute.closed;
  await until(() => good.pings >= 5);

  t.is(code, 1006);
  t.is(mute.pings, 1);
  t.deepEqual(host.events, ["opened mute", "opened good", "closed mute"]);
  t.deepEqual(connector.stats, { sessions: 1, users: 1, slowClosed: 0, heartbeatClosed: 1, rejected: 0 });
});

test("heartbeat › a client may go on for any time when it answers with pongs of its own", async (t) => {
  const { connector, openSession } = await startConnector(t, { heartbeatMs: 50 });
  const client = await openSession("ann", { autoPong: false });

  client.ws.on("ping", () => client.ws.pong("anything"));
  await until(() => client.pings >= 5);

  t.is(connector.stats.sessions, 1);
});

test("heartbeat › pings each of many clients once per beat", async (t) => {
  const heartbeatMs = 300;
  const { openSession } = await startConnector(t, { heartbeatMs });
  const clients: Client[] = [];
  for (let i = 0; i < 20; i++) clients.push(await openSession(`user-${i}`));

  const before = clients.map(({ pings }) => pings);
  await until(() => clients[0]!.pings === before[0]! + 4);

  for (const [i, { pings }] of clients.entries())
    t.true(Math.abs(pings - before[i]! - 4) <= 1, `${pings - before[i]!}`);
});
