import test from "ava";
import { SocketIoConnector } from "../../src/connectors/socket-io/connector.js";
import { eventually } from "../cluster/cluster.js";
import { Stage } from "../support/stage.js";
import { acksOf, type Client, startConnector, startServer, TRANSPORTS } from "./socket-io-support.js";
import { Deferred, message, until } from "./websocket-support.js";

type Ack = (...answer: unknown[]) => void;

/** What the client says of a route, from now on, is this. */
function answer(client: Client, route: string, how: (ack: Ack, msg: unknown) => void): void {
  client.socket.on(route, (msg: unknown, ack: Ack) => how(ack, msg));
}

/** Where a test waits for acknowledgements that come: so long that it would be seen. */
const LONG_MS = 60_000;

for (const transport of Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[]) {
  test(`acknowledgements › over ${transport} settle a push as soon as all have come`, async (t) => {
    const { connector, server, openSession } = await startConnector(t, {
      acknowledge: true,
      acknowledgeTimeoutMs: LONG_MS,
    });
    for (const uid of ["ann", "bob"]) answer(await openSession(uid, transport), "chat", (ack) => ack());

    t.deepEqual(await connector.deliver(new Set(["ann", "bob", "eve"]), message("chat", 1)), {
      failed: ["eve"],
      unknown: [],
    });
    t.deepEqual(await connector.deliverToAll(message("chat", 2), new Set(["bob"])), { delivered: 1, unknown: [] });
    t.deepEqual(acksOf(server), []);
  });
}

test("acknowledgements › are asked for on the routes that the function names, and no others", async (t) => {
  const asked: string[] = [];
  const { connector, openSession } = await startConnector(t, {
    acknowledge: (route) => {
      asked.push(route);
      return route.startsWith("sure.");
    },
    acknowledgeTimeoutMs: LONG_MS,
  });
  const ann = await openSession("ann");
  const withCallback: string[] = [];
  ann.socket.onAny((route: string, ...args: unknown[]) => {
    const ack = args.at(-1);
    if (typeof ack !== "function") return;
    withCallback.push(route);
    ack();
  });

  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), []);
  t.deepEqual(await connector.deliver(new Set(["ann"]), message("sure.chat", 2)), { failed: [], unknown: [] });

  t.deepEqual(asked, ["chat", "sure.chat"]);
  t.deepEqual(withCallback, ["sure.chat"]);
  t.deepEqual(ann.received, [
    ["chat", 1],
    ["sure.chat", 2],
  ]);
});

test("acknowledgements › one client of a user is enough, whichever it is; one that has closed is not waited for", async (t) => {
  const { connector, server, openSession } = await startConnector(t, {
    acknowledge: true,
    acknowledgeTimeoutMs: LONG_MS,
  });
  for (const uid of ["ann", "ann"]) await openSession(uid);
  const last = await openSession("ann", "polling");
  answer(last, "chat", (ack) => ack());
  answer(last, "leaving", () => last.socket.disconnect());
  const [bob1, bob2] = [await openSession("bob"), await openSession("bob")];
  for (const bob of [bob1, bob2]) answer(bob, "leaving", () => bob.socket.disconnect());
  for (const bob of [bob1, bob2]) answer(bob, "chat", (ack) => ack());

  t.deepEqual(await connector.deliver(new Set(["ann", "bob"]), message("chat", 1)), { failed: [], unknown: [] });
  t.deepEqual(await connector.deliver(new Set(["bob"]), message("leaving", 2)), { failed: [], unknown: ["bob"] });
  t.deepEqual(acksOf(server), []);
});

test("acknowledgements › that come late, twice, or unasked change nothing", async (t) => {
  const { connector, host, server, openSession } = await startConnector(t, {
    acknowledge: true,
    acknowledgeTimeoutMs: 1500,
  });
  const [ann, bob] = [await openSession("ann"), await openSession("bob")];
  const late: Ack[] = [];
  answer(ann, "chat", (ack) => late.push(ack));
  answer(bob, "chat", (ack) => {
    ack(new Error("no"), null);
    // The client library answers once; a client may not be of that library.
    for (const id of ["", 0, 1, 2, 99]) bob.ws.send(`43${id}[]`);
  });

  for (let i = 0; i < 2; i++) {
    t.deepEqual(await connector.deliver(new Set(["ann", "bob"]), message("chat", i)), { failed: [], unknown: ["ann"] });
  }
  for (const ack of late) ack();
  ann.socket.emit("sentinel");
  await until(() => host.messages.length === 1);

  t.deepEqual(acksOf(server), []);
  t.deepEqual(host.errors, []);
  t.is(connector.stats.sessions, 2);
});

test("acknowledgements › are waited for in time, and not longer", async (t) => {
  const { connector, openSession } = await startConnector(t, { acknowledge: true, acknowledgeTimeoutMs: 300 });
  answer(await openSession("ann"), "chat", (ack) => setTimeout(ack, 20));
  await openSession("mute");
  const begin = performance.now();

  const outcome = await connector.deliver(new Set(["ann", "mute"]), message("chat", 1));

  const took = performance.now() - begin;
  t.deepEqual(outcome, { failed: [], unknown: ["mute"] });
  t.true(took >= 290 && took < 10_000, `${took} ms`);
});

test("acknowledgements › of many pushes that are under way are each for their own, and pushes keep their order", async (t) => {
  const { connector, server, openSession } = await startConnector(t, {
    acknowledge: (route) => route === "asked",
    acknowledgeTimeoutMs: LONG_MS,
  });
  const ann = await openSession("ann");
  const acks: Ack[] = [];
  answer(ann, "asked", (ack) => acks.push(ack));
  const settled: number[] = [];

  const pushes = Array.from({ length: 500 }, async (_, i) => {
    void connector.deliver(new Set(["ann"]), message("told", i));
    t.deepEqual(await connector.deliver(new Set(["ann"]), message("asked", i)), { failed: [], unknown: [] });
    settled.push(i);
  });
  await until(() => acks.length === 500);
  t.deepEqual(
    ann.received,
    Array.from({ length: 500 }, (_, i) => [
      ["told", i],
      ["asked", i],
    ]).flat() as never,
  );
  t.is(acksOf(server).length, 500);
  for (const ack of acks.toReversed()) ack();
  await Promise.all(pushes);

  t.deepEqual(
    settled,
    Array.from({ length: 500 }, (_, i) => 499 - i),
  );
  t.deepEqual(acksOf(server), []);
});

test("acknowledgements › of pushes under way when the connector stops are unknown at once", async (t) => {
  const { connector, openSession } = await startConnector(t, { acknowledge: true, acknowledgeTimeoutMs: LONG_MS });
  for (const uid of ["ann", "bob"]) await openSession(uid);
  const pushes = [1, 2, 3].map((n) => connector.deliver(new Set(["ann", "bob"]), message("chat", n)));

  await connector.stop();

  for (const outcome of await Promise.all(pushes)) {
    const { unknown = [], failed } = outcome as { failed: string[]; unknown?: string[] };
    t.deepEqual([failed, unknown.toSorted()], [[], ["ann", "bob"]]);
  }
});

// No other test is to have timers meanwhile.
test.serial(
  "acknowledgements › of a message that cannot be encoded are not waited for: nobody has got it",
  async (t) => {
    const { connector, server, openSession } = await startConnector(t, {
      acknowledge: true,
      acknowledgeTimeoutMs: LONG_MS,
    });
    await openSession("ann");
    const { encoder } = server as unknown as { encoder: { encode(): unknown } };
    encoder.encode = () => {
      throw new RangeError("too deep");
    };

    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    await t.throwsAsync(async () => connector.deliver(new Set(["ann"]), message("chat", 1)), { message: "too deep" });

    t.is(timers(), before);
    t.deepEqual(acksOf(server), []);
  },
);

test("acknowledgements › make a push report say who is unknown; members whose clients say nothing stay members", async (t) => {
  const stage = new Stage(t);
  const service = await stage.service({ timeoutMs: 20_000 });
  const { server, openClient } = await startServer(t);
  const connector = new SocketIoConnector({ io: server, acknowledge: true, acknowledgeTimeoutMs: 1500 });
  await stage.frontend("s1", { connector });
  const clients = { ann: openClient("ann"), mute: openClient("mute") };
  answer(clients.ann, "chat", (ack) => ack());
  for (const uid of ["ann", "mute"]) {
    await eventually(async () => (await service.getSids(uid)).includes("s1"), 5000);
    await service.add("room", uid, "s1");
  }

  for (let i = 1; i <= 2; i++) {
    const report = await service.pushMessage("connector", "chat", i, "room");
    t.like(report, { targeted: 2, delivered: 1, failed: 0, unknown: 1, failIds: ["mute"] });
    await until(() => clients.mute.messages("chat").length === i);
  }
  t.like(await service.broadcast("connector", "chat", 3), { delivered: 1, unknown: 1, failIds: ["mute"] });
  t.true(await service.isMember("room", "mute"));
});

test("acknowledgements › that are slow do not hold up the pushes after them", async (t) => {
  const stage = new Stage(t);
  const service = await stage.service({ timeoutMs: LONG_MS });
  const { server, openClient } = await startServer(t);
  const acknowledge = (route: string): boolean => route === "asked";
  const connector = new SocketIoConnector({ io: server, acknowledge, acknowledgeTimeoutMs: LONG_MS });
  await stage.frontend("s1", { connector });
  const ann = openClient("ann");
  const go = new Deferred<void>();
  answer(ann, "asked", (ack) => void go.promise.then(() => ack()));
  await eventually(async () => (await service.getSids("ann")).includes("s1"), 5000);
  await service.add("room", "ann", "s1");

  const slow = service.pushMessage("connector", "asked", 1, "room");
  t.is((await service.pushMessage("connector", "chat", 2, "room")).delivered, 1);
  await until(() => ann.received.length === 2);
  t.deepEqual(ann.received, [
    ["asked", 1],
    ["chat", 2],
  ]);
  go.resolve();

  t.is((await slow).delivered, 1);
});
