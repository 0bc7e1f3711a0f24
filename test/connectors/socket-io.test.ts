import test from "ava";
import { startConnector } from "./socket-io-support.js";
import { message, until } from "./websocket-support.js";

const NOBODY: ReadonlySet<string> = new Set();

for (const transport of ["websocket", "polling"] as const) {
  test(`deliver › over ${transport} reaches every session of each user, and returns the uids that have none`, async (t) => {
    const { connector, openSession, openClient } = await startConnector(t);
    const ann = [await openSession("ann", transport), await openSession("ann", transport)];
    const bob = await openSession("bob", transport);
    const anonymous = openClient(undefined, transport);
    await until(() => anonymous.socket.connected);

    t.deepEqual(connector.deliver(new Set(["ann", "nobody"]), message("chat", { text: "hi" })), ["nobody"]);
    t.is(connector.deliverToAll(message("news", [1, null]), new Set()), 2);

    for (const client of ann) {
      await until(() => client.received.length === 2);
      t.deepEqual(client.received, [
        ["chat", { text: "hi" }],
        ["news", [1, null]],
      ]);
    }
    await until(() => bob.received.length === 1);
    t.deepEqual(anonymous.received, []);
    t.like(connector.stats, { sessions: 3, users: 2 });
  });
}

test("deliver › with no receivers writes to nobody", async (t) => {
  const { connector, openSession } = await startConnector(t);
  const ann = await openSession("ann");

  t.deepEqual(connector.deliver(new Set(["nobody"]), message("chat", 1)), ["nobody"]);
  t.deepEqual(connector.deliver(NOBODY, message("chat", 2)), []);
  t.is(connector.deliverToAll(message("chat", 3), new Set(["ann"])), 0);
  void connector.deliver(new Set(["ann"]), message("chat", 4));

  await until(() => ann.received.length > 0);
  t.deepEqual(ann.messages("chat"), [4]);
});

test("acknowledge › a user has got it when one of its clients has said so, and is unknown when none has", async (t) => {
  const { connector, server, openSession } = await startConnector(t, { acknowledge: true, acknowledgeTimeoutMs: 300 });
  const clients = {
    ann: [await openSession("ann"), await openSession("ann", "polling")],
    bob: [await openSession("bob")],
    cid: [await openSession("cid")],
  };
  clients.ann[1]!.socket.on("chat", (_msg: unknown, ack: () => void) => ack());
  clients.cid[0]!.socket.on("chat", () => clients.cid[0]!.socket.disconnect());

  const outcome = await connector.deliver(new Set(["ann", "bob", "cid", "eve"]), message("chat", 1));

  t.deepEqual(outcome, { failed: ["eve"], unknown: ["cid", "bob"] });
  t.deepEqual(await connector.deliverToAll(message("chat", 2), new Set()), { delivered: 1, unknown: ["bob"] });
  for (const socket of server.sockets.sockets.values()) {
    t.is((socket as unknown as { acks: Map<number, unknown> }).acks.size, 0);
  }
});

test("stop › closes sessions so that clients connect again, and takes no more", async (t) => {
  const { connector, host, openSession, openClient } = await startConnector(t);
  const ann = await openSession("ann", "websocket", { reconnection: true, reconnectionDelay: 10 });
  const polling = await openSession("bob", "polling", { reconnection: true, reconnectionDelay: 10 });
  void connector.deliver(new Set(["ann", "bob"]), message("chat", "the last"));

  await connector.stop();

  t.is(connector.stats.sessions, 0);
  t.deepEqual(host.events.toSorted(), ["closed ann", "closed bob", "opened ann", "opened bob"]);
  for (const { socket } of [ann, polling]) await until(() => socket.connected);
  t.deepEqual([ann.messages("chat"), polling.messages("chat")], [["the last"], ["the last"]]);
  const late = openClient("late");
  await until(() => late.socket.connected);
  t.is(connector.stats.sessions, 0);
});

test("disconnectUsers › closes every session, and clients do not come back", async (t) => {
  for (const close of [true, false]) {
    const { connector, openSession } = await startConnector(t);
    const ann = [await openSession("ann"), await openSession("ann", "polling")];
    const reasons: string[] = [];
    for (const { socket } of ann) socket.on("disconnect", (reason) => reasons.push(reason));

    void connector.deliver(new Set(["ann"]), message("chat", "the last"));
    t.deepEqual(connector.disconnectUsers(new Set(["ann", "nobody"]), { close }), ["nobody"]);

    await until(() => reasons.length === 2);
    t.deepEqual(reasons, ["io server disconnect", "io server disconnect"]);
    for (const client of ann) t.deepEqual(client.messages("chat"), ["the last"]);
    t.is(connector.stats.sessions, 0);
  }
});

test("messages › what a client emits is handed over, with its first argument", async (t) => {
  const { host, openSession } = await startConnector(t);
  const ann = await openSession("ann");
  ann.socket.emit("move", { x: 1 }, "second");
  ann.socket.emit("x".repeat(2000), 1);
  ann.socket.emit("nothing");
  await until(() => host.messages.length === 2);
  t.deepEqual(host.messages, [
    { uid: "ann", route: "move", msg: { x: 1 } },
    { uid: "ann", route: "nothing", msg: undefined },
  ]);
});
