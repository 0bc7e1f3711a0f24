import test from "ava";
import { type Client, startConnector, TRANSPORTS } from "./socket-io-support.js";
import { Deferred, message, until } from "./websocket-support.js";

const WAYS = Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[];

for (const transport of WAYS) {
  test(`a message › over ${transport} reaches the host with uid, route and first argument, in order`, async (t) => {
    const { host, openSession } = await startConnector(t);
    const ann = await openSession("ann", transport);
    const msgs = [{ deep: [1, { a: null }] }, "grüße 世界 \u2028", 0, null, true, [], { _placeholder: true, num: 0 }];

    for (const msg of msgs) ann.socket.emit("chat.send", msg, "another");
    ann.socket.emit("binary", new Uint8Array([1, 2]));
    ann.socket.emit("nothing");
    await until(() => host.messages.length === msgs.length + 2);

    t.deepEqual(
      host.messages.slice(0, -2),
      msgs.map((msg) => ({ uid: "ann", route: "chat.send", msg })),
    );
    t.deepEqual(host.messages.slice(-2), [
      { uid: "ann", route: "binary", msg: Buffer.from([1, 2]) },
      { uid: "ann", route: "nothing", msg: undefined },
    ]);
  });
}

test("a message › that asks for an acknowledgement gets that of the application, which is no message", async (t) => {
  const { host, server, openSession } = await startConnector(t);
  server.on("connection", (socket) => {
    socket.on("ask", (...args: unknown[]) => (args.at(-1) as (answer: string) => void)("the application's"));
  });
  const ann = await openSession("ann");

  t.is(await ann.socket.emitWithAck("ask"), "the application's");
  t.is(await ann.socket.emitWithAck("ask", { a: 1 }), "the application's");

  t.deepEqual(host.messages, [
    { uid: "ann", route: "ask", msg: undefined },
    { uid: "ann", route: "ask", msg: { a: 1 } },
  ]);
});

test("a message › whose event is no valid route is the application's alone", async (t) => {
  const { host, server, openSession } = await startConnector(t);
  const seen: unknown[] = [];
  server.on("connection", (socket) => socket.onAny((event) => seen.push(event)));
  const ann = await openSession("ann");
  const events = ["", "x".repeat(1025), "\ud800", 7];

  for (const event of events) ann.socket.emit(event as string, 1);
  for (const route of ["x".repeat(1024), "error", "__proto__", "constructor", "message"]) ann.socket.emit(route, 1);
  await until(() => host.messages.length === 5);

  t.is(seen.length, events.length + 5);
  t.deepEqual(
    host.messages.slice(1).map(({ route }) => route),
    ["error", "__proto__", "constructor", "message"],
  );
  t.deepEqual(host.errors, []);
});

test("a message › of who has no uid, or whose connector has stopped, goes to the application alone", async (t) => {
  const { connector, host, server, openClient, openSession } = await startConnector(t);
  let seen = 0;
  server.on("connection", (socket) => socket.onAny(() => seen++));
  const anonymous = openClient(undefined);
  const ann = await openSession("ann", "websocket", { reconnection: true, reconnectionDelay: 10 });

  anonymous.socket.emit("chat", 1);
  await until(() => seen === 1);
  let isBack = false;
  ann.socket.once("connect", () => (isBack = true));
  await connector.stop();
  await until(() => isBack);
  ann.socket.emit("chat", 2);
  await until(() => seen === 2);

  t.deepEqual(host.messages, []);
});

// Floods

/** Emits and waits until the connector is done with it, so or so. */
async function flood(client: Client, count: number, until_: () => boolean): Promise<void> {
  for (let n = 0; n < count; n++) client.socket.emit("chat", n);
  await until(until_);
}

for (const transport of ["websocket", "polling"] as const) {
  test(`a flood › of 1,000 messages over ${transport} that are not handled closes the client, and is told`, async (t) => {
    const { connector, host, openSession } = await startConnector(t);
    const handled = new Deferred<void>();
    host.message = (uid, route, msg) => {
      host.messages.push({ uid, route, msg });
      return handled.promise;
    };
    const [bad, good] = [await openSession("bad", transport), await openSession("good", transport)];

    await flood(bad, 999, () => host.messages.length === 999);
    await new Promise(setImmediate);
    t.is(connector.stats.sessions, 2);
    await flood(bad, 1, () => connector.stats.sessions === 1);

    t.like(connector.stats, { floodClosed: 1, slowClosed: 0 });
    t.is(host.errors.length, 1);
    t.like(host.errors[0], { code: "GC_OVERLOADED", message: '"bad" sends more than is handled; it is closed' });
    await until(() => !bad.socket.connected);
    good.socket.emit("chat", "sentinel");
    t.deepEqual(connector.deliver(new Set(["good"]), message("chat", 1)), []);
    await until(() => good.received.length === 1 && host.messages.length === 1001);
    t.deepEqual(
      host.events.filter((event) => event.includes("closed")),
      ["closed bad"],
    );
    handled.resolve();
  });

  test(`a flood › is none where messages over ${transport} are handled, however many come at once`, async (t) => {
    const { connector, host, openSession } = await startConnector(t);
    host.message = async (uid, route, msg) => {
      host.messages.push({ uid, route, msg });
    };
    const ann = await openSession("ann", transport);

    await flood(ann, 5000, () => host.messages.length === 5000 || connector.stats.sessions === 0);

    t.like(connector.stats, { sessions: 1, floodClosed: 0 });
    t.deepEqual(
      host.messages.map(({ msg }) => msg),
      Array.from({ length: 5000 }, (_, n) => n),
    );
  });
}

test("a flood › counts what is not handled any more no longer, though it was refused", async (t) => {
  const { connector, host, openSession } = await startConnector(t);
  host.message = async (uid, route, msg) => {
    host.messages.push({ uid, route, msg });
    throw new Error("refused");
  };
  const ann = await openSession("ann");

  for (let part = 1; part <= 3; part++) await flood(ann, 500, () => host.messages.length === 500 * part);

  t.like(connector.stats, { sessions: 1, floodClosed: 0 });
});
