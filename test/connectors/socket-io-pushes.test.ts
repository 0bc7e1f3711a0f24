import { EventEmitter, once } from "node:events";
import test from "ava";
import { Redis as Redis5 } from "ioredis-5";
import { createAdapter } from "@socket.io/redis-adapter";
import type { Server, ServerOptions } from "socket.io";
import { SocketIoConnector } from "../../src/connectors/socket-io/connector.js";
import type { GlobalChannelError } from "../../src/index.js";
import { startRedis } from "../support/redis-server.js";
import { Stage } from "../support/stage.js";
import { eventually } from "../cluster/cluster.js";
import { type Client, startConnector, startServer, TRANSPORTS } from "./socket-io-support.js";
import { message, until } from "./websocket-support.js";

const NOBODY: ReadonlySet<string> = new Set();
const WAYS = Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[];

/** The packets that a server encodes from now on. */
function encodedBy(server: Server): unknown[] {
  const { encoder } = server as unknown as { encoder: { encode(packet: { data: unknown }): unknown } };
  const encode = encoder.encode.bind(encoder);
  const encoded: unknown[] = [];
  encoder.encode = (packet) => {
    // As it is now: an adapter may add to it.
    encoded.push(structuredClone(packet.data));
    return encode(packet);
  };
  return encoded;
}

test("a push › is encoded once for a hundred receivers, however they are connected", async (t) => {
  const { connector, server, openClient } = await startConnector(t, { acknowledge: (route) => route === "asked" });
  const clients: Client[] = [];
  for (let i = 0; i < 100; i++) clients.push(openClient(`user-${i % 60}`, WAYS[i % 3]));
  await until(() => connector.stats.sessions === 100);
  for (const { socket } of clients) socket.on("asked", (_msg: unknown, ack: () => void) => ack());
  const encoded = encodedBy(server);
  const everyone = new Set(clients.map((_, i) => `user-${i % 60}`));

  t.deepEqual(connector.deliver(everyone, message("chat", 1)), []);
  t.is(connector.deliverToAll(message("news", 2), NOBODY), 60);
  t.deepEqual(await connector.deliver(everyone, message("asked", 3)), { failed: [], unknown: [] });

  for (const { received } of clients) {
    await until(() => received.length === 3);
    t.deepEqual(received, [
      ["chat", 1],
      ["news", 2],
      ["asked", 3],
    ]);
  }
  t.deepEqual(encoded, [
    ["chat", 1],
    ["news", 2],
    ["asked", 3],
  ]);
});

test("a push › for nobody is not encoded, nor its message read", async (t) => {
  const { connector, server, openSession } = await startConnector(t, { acknowledge: (route) => route === "asked" });
  await openSession("ann");
  const encoded = encodedBy(server);

  for (const route of ["chat", "asked"]) {
    t.deepEqual(await connector.deliver(new Set(["nobody"]), { route, body: "{" }), ["nobody"]);
    t.is(await connector.deliverToAll({ route, body: "{" }, new Set(["ann"])), 0);
  }

  t.deepEqual(encoded, []);
});

for (const transport of WAYS) {
  test(`pushes › over ${transport} arrive in the order of the calls, within a tick and over ticks`, async (t) => {
    const { connector, openSession } = await startConnector(t);
    const client = await openSession("ann", transport);
    const sent = Array.from({ length: 1000 }, (_, i) => i);

    for (const i of sent) {
      if (i % 3 === 0) t.is(connector.deliverToAll(message("chat", i), NOBODY), 1);
      else t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", i)), []);
      if (i % 50 === 0) client.socket.emit("move", i);
      if (i % 7 === 0) await new Promise(setImmediate);
    }
    await until(() => client.received.length === sent.length);

    t.deepEqual(client.messages("chat"), sent);
    if (transport === "polling, then websocket") {
      await until(() => client.socket.io.engine.transport.name === "websocket");
    }
  });

  test(`pushes › over ${transport} arrive whole at every size, in any script, of any shape and any route`, async (t) => {
    const { connector, openSession } = await startConnector(t);
    const client = await openSession("ann", transport);
    const own = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"toJSON":"x","hasOwnProperty":null}');
    // The lengths at which the header of a frame changes: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    const overhead = '42["r",""]'.length;
    const sizes = [125, 126, 127, 65_535, 65_536, 1_000_000].map((size) => "x".repeat(size - overhead));
    const msgs = [
      ...sizes,
      "grüße 世界 👩‍👩‍👧 \u0000\u001e\u2028\u2029 \ud800",
      "世".repeat(30_000),
      "",
      null,
      false,
      -0.5e-7,
      [],
      [[null]],
      own,
      { _placeholder: true, num: 0 },
      [{ _placeholder: true, num: 1 }, "51-"],
      { type: "Buffer", data: [1, 2] },
    ];
    const routes = [
      "error",
      "message",
      "data",
      "open",
      "connection",
      "ping",
      "__proto__",
      "constructor",
      "toString",
      "*",
      '"ünï"\n',
      "\u0000",
      "x".repeat(1024),
    ];

    for (const msg of msgs) t.deepEqual(connector.deliver(new Set(["ann"]), message("r", msg)), []);
    for (const route of routes) t.deepEqual(connector.deliver(new Set(["ann"]), message(route, route)), []);
    await until(() => client.received.length === msgs.length + routes.length);

    t.deepEqual(client.messages("r"), msgs);
    t.true(Object.hasOwn(client.messages("r")[msgs.indexOf(own)] as object, "__proto__"));
    t.deepEqual(
      client.received.slice(msgs.length),
      routes.map((route) => [route, route]),
    );
  });
}

test("a push › with the name of an event of Socket.IO's own is refused, and reaches nobody", async (t) => {
  for (const acknowledge of [false, true]) {
    const { connector, openSession } = await startConnector(t, { acknowledge });
    const ann = await openSession("ann");

    for (const route of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]) {
      const refused = { code: "GC_INVALID_ARGUMENT", message: new RegExp(`^route is "${route}"`) };
      t.throws(() => connector.deliver(new Set(["ann"]), message(route, 1)), refused);
      t.throws(() => connector.deliver(new Set(["nobody"]), message(route, 1)), refused);
      t.throws(() => connector.deliverToAll(message(route, 1), NOBODY), refused);
    }
    void connector.deliver(new Set(["ann"]), message("sentinel", 1));

    await until(() => ann.received.length > 0);
    t.deepEqual(ann.received, [["sentinel", 1]]);
  }
});

test("a push › with such a name fails by its report, which says why, and makes nobody leave", async (t) => {
  const stage = new Stage(t);
  const service = await stage.service();
  const { server, openClient } = await startServer(t);
  const connector = new SocketIoConnector({ io: server });
  await stage.frontend("s1", { connector });
  const ann = openClient("ann");
  await eventually(async () => (await service.getSids("ann")).includes("s1"), 5000);
  await service.add("room", "ann", "s1");

  const error = await t.throwsAsync<GlobalChannelError>(service.pushMessage("connector", "disconnect", 1, "room"), {
    code: "GC_PUSH_FAILED",
    message: /route is "disconnect"; it must be no event that Socket.IO keeps for itself/,
  });

  t.like(error.report, { targeted: 1, delivered: 0, failed: 1, unknown: 0, failIds: ["ann"] });
  t.is((await service.pushMessage("connector", "chat", 2, "room")).delivered, 1);
  await until(() => ann.received.length > 0);
  t.deepEqual(ann.received, [["chat", 2]]);
});

test("a push › that is kept, or has a key, comes as any other", async (t) => {
  const stage = new Stage(t, undefined, { history: { "room*": { size: 10, ttlMs: 60_000 } } });
  const service = await stage.service();
  const { server, openClient } = await startServer(t);
  await stage.frontend("s1", { connector: new SocketIoConnector({ io: server }) });
  const ann = openClient("ann");
  await eventually(async () => (await service.getSids("ann")).includes("s1"), 5000);
  for (const name of ["room", "room:2"]) await service.add(name, "ann", "s1");
  const push = (msg: unknown, name: string | string[], options = {}) =>
    service.pushMessage("connector", "chat", msg, name, options);

  const reports = [
    await push(1, "room"),
    await push(2, ["room", "room:2"], { idempotencyKey: "key" }),
    await push("not again", ["room", "room:2"], { idempotencyKey: "key" }),
    await push(3, "room"),
    await push(4, "room", { history: false }),
  ];

  for (const report of reports) t.like(report, { targeted: 1, delivered: 1 });
  t.is(reports[3]!.positions?.[0]?.offset, 3);
  await until(() => ann.received.length >= 4);
  t.deepEqual(ann.received, [
    ["chat", 1],
    ["chat", 2],
    ["chat", 3],
    ["chat", 4],
  ]);
});

test("a push › reaches a user at the session that is left, until that closes too", async (t) => {
  const { connector, host, openSession } = await startConnector(t);
  const [first, second] = [await openSession("ann"), await openSession("ann", "polling")];

  first.socket.disconnect();
  await until(() => connector.stats.sessions === 1);
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), []);
  await until(() => second.received.length === 1);
  second.socket.disconnect();
  await until(() => connector.stats.sessions === 0);

  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 2)), ["ann"]);
  t.deepEqual(host.events, ["opened ann", "opened ann", "closed ann", "closed ann"]);
});

test("a push › reaches no one who is in a room of the same name, and changes no room", async (t) => {
  const { connector, server, openSession } = await startConnector(t);
  const [ann, bob] = [await openSession("ann"), await openSession("bob")];
  for (const socket of server.sockets.sockets.values()) await socket.join(["ann", "chat"]);
  const roomsBefore = new Map(server.sockets.adapter.rooms);

  void connector.deliver(new Set(["ann"]), message("chat", 1));
  void connector.deliver(new Set(["bob"]), message("chat", 2));

  await until(() => ann.received.length + bob.received.length === 2);
  t.deepEqual([ann.received, bob.received], [[["chat", 1]], [["chat", 2]]]);
  t.deepEqual(new Map(server.sockets.adapter.rooms), roomsBefore);
});

test("a push › reaches those whom it is for alone, whoever else is in the room of their id; who is not has failed", async (t) => {
  for (const [acknowledge, options] of [
    [false, {}],
    [true, {}],
    [false, { connectionStateRecovery: {} }],
    [true, { connectionStateRecovery: {} }],
  ] as const) {
    const started = await startConnector(t, { acknowledge, acknowledgeTimeoutMs: 60_000 }, options);
    const { connector, server, openSession } = started;
    const [victim, attacker, outside] = [
      await openSession("victim"),
      await openSession("attacker"),
      await openSession("outside"),
    ];
    for (const { socket } of [victim, attacker, outside]) {
      // Where state is recovered, an offset may be there instead.
      socket.on("chat", (_msg: unknown, answer: unknown) => typeof answer === "function" && answer());
    }
    const socketOf = (client: Client) => server.sockets.sockets.get(client.socket.id!)!;
    await socketOf(attacker).join(victim.socket.id!);
    await socketOf(outside).leave(outside.socket.id!);

    const outcome = await connector.deliver(new Set(["victim", "outside"]), message("chat", "secret"));
    void connector.deliver(new Set(["attacker"]), message("chat", "the last"));

    t.deepEqual(outcome, acknowledge ? { failed: ["outside"], unknown: [] } : ["outside"]);
    await until(() => attacker.messages("chat").includes("the last"));
    t.deepEqual(attacker.messages("chat"), ["the last"]);
    t.deepEqual(outside.received, []);
    await until(() => victim.received.length > 0);
    t.deepEqual(victim.messages("chat"), ["secret"]);
  }
});

// Parsers

/** One of JSON alone, as the manual of Socket.IO has it, whose packets are texts or bytes. */
function parserOf(kind: "texts" | "bytes"): NonNullable<ServerOptions["parser"]> {
  class Encoder {
    encode(packet: unknown): unknown[] {
      const text = JSON.stringify(packet);
      return [kind === "texts" ? text : Buffer.from(text)];
    }
  }
  class Decoder extends EventEmitter {
    add(chunk: string | Uint8Array | ArrayBuffer): void {
      this.emit(
        "decoded",
        JSON.parse(typeof chunk === "string" ? chunk : Buffer.from(chunk as ArrayBuffer).toString()),
      );
    }
    destroy(): void {}
  }
  return { Encoder, Decoder };
}

for (const kind of ["texts", "bytes"] as const) {
  test(`a parser of the application's › whose packets are ${kind} carries pushes, messages and acknowledgements`, async (t) => {
    const parser = parserOf(kind);
    const { connector, host, server, openSession } = await startConnector(
      t,
      { acknowledge: (route) => route === "asked", maxBufferedBytes: 10_000 },
      { parser },
    );
    const clients = [
      await openSession("ann", "websocket", { parser }),
      await openSession("bob", "polling", { parser }),
    ];
    for (const { socket } of clients) socket.on("asked", (_msg: unknown, ack: () => void) => ack());
    const encoded = encodedBy(server);

    t.is(connector.deliverToAll(message("chat", { text: "x".repeat(20_000) }), NOBODY), 2);
    t.deepEqual(await connector.deliver(new Set(["ann", "bob"]), message("asked", 1)), { failed: [], unknown: [] });
    for (const { socket } of clients) socket.emit("move", { x: 1 });

    await until(() => host.messages.length === 2);
    for (const { received } of clients)
      t.deepEqual(received, [
        ["chat", { text: "x".repeat(20_000) }],
        ["asked", 1],
      ]);
    t.is(encoded.length, 2);
  });
}

// Adapters

test("a server with an adapter for Redis › hands a push to its own sockets alone, and Redis hears nothing of it", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const newClient = (): Redis5 => {
    const client = new Redis5(redis.url);
    t.teardown(() => client.disconnect());
    return client;
  };
  const acknowledge = (route: string): boolean => route === "asked";
  const start = () =>
    startConnector(t, { acknowledge, rooms: true }, { adapter: createAdapter(newClient(), newClient()) });
  const [here, there] = [await start(), await start()];
  const [ann, other] = [await here.openSession("ann"), await there.openSession("ann")];
  for (const { socket } of [ann, other]) socket.on("asked", (_msg: unknown, ack: () => void) => ack());
  const monitor = await newClient().monitor();
  t.teardown(() => monitor.disconnect());
  const commands: string[][] = [];
  monitor.on("monitor", (_time: unknown, command: string[]) => commands.push(command));

  t.deepEqual(here.connector.deliver(new Set(["ann"]), message("chat", 1)), []);
  t.is(here.connector.deliverToAll(message("chat", 2), NOBODY), 1);
  t.deepEqual(await here.connector.deliver(new Set(["ann"]), message("asked", 3)), { failed: [], unknown: [] });
  here.connector.joined!("ann", "room");
  here.connector.left!("ann", "room");
  // The adapter does publish what the application emits to all servers.
  here.server.emit("sentinel");
  await until(() => [ann, other].every(({ received }) => received.at(-1)?.[0] === "sentinel"));
  await until(() => commands.length > 0);

  t.deepEqual(ann.received, [["chat", 1], ["chat", 2], ["asked", 3], ["sentinel"]]);
  t.deepEqual(other.received, [["sentinel"]]);
  t.deepEqual(
    commands.map(([name]) => name!.toLowerCase()),
    ["publish"],
  );
});

// Connection state recovery

/** Cuts the client's connection, and resolves when it is back. */
async function reconnect(client: Client): Promise<void> {
  const back = once(client.socket as unknown as EventEmitter, "connect");
  client.socket.io.engine.close();
  await back;
}

test("connection state recovery › a socket that comes back is a session again, and has missed nothing that it got", async (t) => {
  const { connector, host, server, openSession } = await startConnector(
    t,
    { acknowledge: (route) => route === "asked" },
    { connectionStateRecovery: {} },
  );
  const ann = await openSession("ann", "websocket", { reconnection: true, reconnectionDelay: 10 });
  ann.socket.on("asked", (_msg: unknown, ack: () => void) => ack());
  const { id } = ann.socket;

  for (let round = 0; round < 3; round++) {
    t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", round)), []);
    await until(() => ann.messages("chat").length === round + 1);
    await reconnect(ann);
    await until(() => connector.stats.sessions === 1);
    t.true(ann.socket.recovered);
    t.is(ann.socket.id, id);
    t.deepEqual(await connector.deliver(new Set(["ann"]), message("asked", round)), { failed: [], unknown: [] });
    ann.socket.emit("move", round);
  }
  await until(() => host.messages.length === 3);
  ann.socket.disconnect();
  await until(() => connector.stats.sessions === 0);

  t.deepEqual(ann.messages("chat"), [0, 1, 2]);
  t.deepEqual(ann.messages("asked"), [0, 1, 2]);
  t.deepEqual(
    host.messages.map(({ msg }) => msg),
    [0, 1, 2],
  );
  const expected = Array.from({ length: 4 }, () => ["opened ann", "closed ann"]).flat();
  t.deepEqual(
    host.events.filter((event) => !event.startsWith("message")),
    expected,
  );
  t.is(server.sockets.sockets.size, 0);
});

test("connection state recovery › what was on its way when the connection was lost comes once it is back", async (t) => {
  const { connector, openSession } = await startConnector(t, {}, { connectionStateRecovery: {} });
  const ann = await openSession("ann", "polling", { reconnection: true, reconnectionDelay: 10 });
  void connector.deliver(new Set(["ann"]), message("chat", 0));
  await until(() => ann.received.length === 1);

  // All that is written in this tick is behind the answer to the poll that is waiting, or in it.
  for (let i = 1; i <= 10; i++) t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", i)), []);
  await reconnect(ann);
  await until(() => ann.received.length >= 11);

  t.true(ann.socket.recovered);
  t.deepEqual(
    ann.messages("chat"),
    Array.from({ length: 11 }, (_, i) => i),
  );
});
