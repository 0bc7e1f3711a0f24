import { Server } from "socket.io";
import test from "ava";
import { SocketIoConnector, type SocketIoConnectorOptions } from "../../src/connectors/socket-io/connector.js";
import { type Client, startConnector, startServer } from "./socket-io-support.js";
import { message, RecordingHost, until, breakHost } from "./websocket-support.js";

// Options

const io = new Server();

const INVALID_OPTIONS: [option: string, options: unknown][] = [
  ["options", null],
  ["io", {}],
  ["io", { io: null }],
  ["io", { io: { sockets: new Map() } }],
  // The parent of namespaces has no sockets of its own.
  ["io", { io: io.of(/^\/dynamic-/) }],
  ["uid", { io, uid: "ann" }],
  ["acknowledge", { io, acknowledge: "chat" }],
  ["acknowledgeTimeoutMs", { io, acknowledgeTimeoutMs: 0 }],
  ["maxBufferedBytes", { io, maxBufferedBytes: -1 }],
  ["rooms", { io, rooms: "yes" }],
  ["room", { io, room: true }],
];

test("constructor › refuses an invalid option by its name", (t) => {
  for (const [option, options] of INVALID_OPTIONS) {
    const error = t.throws(() => new SocketIoConnector(options as SocketIoConnectorOptions), undefined, option);
    t.like(error, { code: "GC_INVALID_OPTION", argument: option });
    t.regex(error.message, new RegExp(option));
  }
});

test("constructor › takes typed servers and namespaces", (t) => {
  interface Up {
    move: (to: { x: number }) => void;
  }
  interface Down {
    chat: (text: string, seen: () => void) => void;
  }
  const typed = new Server<Up, Down, { ping: () => void }, { uid: string; rank: number }>();

  t.notThrows(() => new SocketIoConnector({ io: typed }));
  t.notThrows(() => new SocketIoConnector({ io: typed.of("/game"), uid: (socket) => socket.handshake.auth["uid"] }));
  t.notThrows(() => new SocketIoConnector({ io: new Server<Up>(), uid: ({ data }) => data.uid }));
});

// Whose sockets are

test("uid › of a function may be a number; who has none gets no push, and is not counted", async (t) => {
  const { connector, host, server, openClient } = await startConnector(t, {
    uid: ({ handshake }) => handshake.auth["uid"],
  });
  const known = openClient(7 as never);
  const anonymous = [openClient(undefined), openClient(null as never)];
  await until(() => [known, ...anonymous].every(({ socket }) => socket.connected));

  t.is(connector.deliverToAll(message("chat", 1), new Set()), 1);
  t.deepEqual(connector.deliver(new Set(["7", "undefined", "null", ""]), message("chat", 2)), [
    "undefined",
    "null",
    "",
  ]);
  server.emit("sentinel");

  for (const { received } of anonymous) {
    await until(() => received.length > 0);
    t.deepEqual(received, [["sentinel"]]);
  }
  await until(() => known.received.length === 3);
  t.deepEqual(known.messages("chat"), [1, 2]);
  t.like(connector.stats, { sessions: 1, users: 1 });
  for (const { socket } of [known, ...anonymous]) socket.disconnect();
  await until(() => server.sockets.sockets.size === 0);
  t.deepEqual(host.events, ["opened 7", "closed 7"]);
  t.deepEqual(host.errors, []);
});

test("uid › that is none, or makes the function throw, is reported, and the socket gets no push", async (t) => {
  const failure = new Error("who is that?");
  const { connector, host, server, openClient } = await startConnector(t, {
    uid: ({ handshake }) => {
      if (handshake.auth["uid"] === "throw") throw failure;
      if (handshake.auth["uid"] === "promise") return Promise.resolve("ann") as never;
      return handshake.auth["uid"];
    },
  });
  const refused = ["throw", "promise", "", 0.5, true, {}, "\ud800", "x".repeat(1025)];
  for (const [i, uid] of refused.entries()) {
    const { socket } = openClient(uid as never);
    await until(() => socket.connected && host.errors.length > i);
  }

  t.is(host.errors[0], failure);
  for (const error of host.errors.slice(1)) t.like(error, { code: "GC_INVALID_ARGUMENT", argument: "uid" });
  t.is(host.errors.length, refused.length);
  t.is(connector.deliverToAll(message("chat", 1), new Set()), 0);
  t.deepEqual(host.events, []);
  t.is(server.sockets.sockets.size, refused.length, "they stay open");
});

// Sessions

for (const [title, end] of Object.entries<
  (started: Awaited<ReturnType<typeof startConnector>>, ann: Client) => unknown
>({
  "the client disconnects": (_, ann) => ann.socket.disconnect(),
  "the client's connection closes": (_, ann) => ann.socket.io.engine.close(),
  "the server disconnects the socket": ({ server }) => [...server.sockets.sockets.values()][0]?.disconnect(),
  "the server disconnects the client": ({ server }) => [...server.sockets.sockets.values()][0]?.disconnect(true),
  "the namespace disconnects its sockets": ({ server }) => server.disconnectSockets(true),
  "the server closes": ({ server }) => server.close(),
  "the server's HTTP connections are cut": ({ http }) => http.closeAllConnections(),
  "the client is disconnected as a user": ({ connector }) =>
    connector.disconnectUsers(new Set(["ann"]), { close: false }),
  "the connector stops": ({ connector }) => connector.stop(),
})) {
  for (const transport of ["websocket", "polling"] as const) {
    test(`a session › over ${transport} is told opened once and closed once, where ${title}`, async (t) => {
      const started = await startConnector(t);
      const { connector, host, openSession } = started;
      const ann = await openSession("ann", transport);

      // Nothing that node knows of is HTTP any more once it is a WebSocket.
      if (title.includes("cut") && transport === "websocket") ann.ws.terminate();
      await end(started, ann);
      await until(() => connector.stats.sessions === 0);
      await end(started, ann);
      await connector.stop();

      t.deepEqual(host.events, ["opened ann", "closed ann"]);
      t.deepEqual(connector.stats, { sessions: 0, users: 0, slowClosed: 0, floodClosed: 0 });
      t.deepEqual(host.errors, []);
    });
  }
}

test("a session › goes on where the host throws; the host is told", async (t) => {
  const { connector, host, openSession } = await startConnector(t);
  const failure = breakHost(host);

  const ann = await openSession("ann");
  ann.socket.emit("chat", 1);
  await until(() => host.errors.length === 2);
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", "hi")), []);
  await until(() => ann.received.length === 1);
  ann.socket.disconnect();
  await until(() => host.errors.length === 3);

  for (const error of host.errors) t.like(error, { code: "GC_LISTENER_FAILED", cause: failure });
  t.like(connector.stats, { sessions: 0, users: 0 });
});

test("a session › is none of a socket that the application has disconnected as it came", async (t) => {
  const { server, openClient } = await startServer(t);
  server.on("connection", (socket) => {
    if (socket.data.uid === "banned") socket.disconnect();
  });
  const connector = new SocketIoConnector({
    io: server,
    uid: (socket) => {
      if (socket.data.uid === "refused") socket.disconnect(true);
      return socket.data.uid;
    },
  });
  const host = new RecordingHost();
  t.teardown(() => connector.stop());
  connector.start(host);

  for (const uid of ["banned", "refused"]) {
    const client = openClient(uid);
    let isGone = false;
    client.socket.on("disconnect", () => (isGone = true));
    await until(() => isGone || !client.socket.active);
  }

  t.deepEqual(host.events, []);
  t.is(connector.stats.sessions, 0);
});

test("a session › is one of each namespace, which its connector closes alone, or with the connection", async (t) => {
  for (const close of [false, true]) {
    const { server, openClient } = await startServer(t);
    for (const namespace of [server.of("/game"), server.of("/lobby")]) {
      namespace.use((socket, next) => {
        socket.data.uid = "ann";
        next();
      });
    }
    const [game, lobby] = ["/game", "/lobby"].map((name) => {
      const connector = new SocketIoConnector({ io: server.of(name) });
      const host = new RecordingHost();
      t.teardown(() => connector.stop());
      connector.start(host);
      return { connector, host };
    });
    const first = openClient("ann", "websocket", { namespace: "/game" });
    const second = new (first.constructor as typeof Client)(first.socket.io.socket("/lobby"));
    await until(() => game!.connector.stats.sessions + lobby!.connector.stats.sessions === 2);
    await until(() => first.socket.connected && second.socket.connected);
    t.is(server.engine.clientsCount, 1);

    t.deepEqual(game!.connector.deliver(new Set(["ann"]), message("chat", "of the game")), []);
    t.deepEqual(game!.connector.disconnectUsers(new Set(["ann"]), { close }), []);
    t.deepEqual(game!.host.events, ["opened ann", "closed ann"]);
    await until(() => !first.socket.connected);
    t.deepEqual(first.messages("chat"), ["of the game"]);

    if (close) {
      await until(() => !second.socket.connected);
      t.deepEqual(lobby!.host.events, ["opened ann", "closed ann"]);
    } else {
      t.deepEqual(lobby!.connector.deliver(new Set(["ann"]), message("chat", "of the lobby")), []);
      await until(() => second.received.length === 1);
      t.deepEqual(lobby!.host.events, ["opened ann"]);
    }
    t.deepEqual(second.messages("chat"), close ? [] : ["of the lobby"]);
  }
});

test("a session › leaves nothing at a connection that lives on for another namespace", async (t) => {
  const { server, openClient } = await startServer(t);
  server.of("/lobby");
  const lobby = openClient("ann", "websocket", { namespace: "/lobby" });
  const connector = new SocketIoConnector({ io: server.of("/game"), uid: () => "ann" });
  t.teardown(() => connector.stop());
  connector.start(new RecordingHost());
  await until(() => lobby.socket.connected);
  const { conn } = [...server.of("/lobby").sockets.values()][0]!;
  const listeners = (): number[] => conn.eventNames().map((name) => conn.listenerCount(name as "close"));
  const before = listeners();

  const game = lobby.socket.io.socket("/game");
  for (let round = 0; round < 3; round++) {
    // The first time it connects by itself.
    if (round > 0) game.connect();
    await until(() => game.connected && connector.stats.sessions === 1);
    // While the second waits for the first, the connection is watched.
    for (let n = 0; n < 2; n++) t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", n)), []);
    connector.disconnectUsers(new Set(["ann"]), { close: false });
    t.deepEqual(listeners(), before);
    await until(() => !game.connected);
  }

  t.true(lobby.socket.connected);
});

// Start

test("start › takes the sockets that are connected, in the namespace that was given and no other", async (t) => {
  const { server, openClient } = await startServer(t);
  const game = server.of("/game");
  const inGame = openClient("ann", "websocket", { namespace: "/game" });
  const inMain = openClient("bob");
  await until(() => inGame.socket.connected && inMain.socket.connected);

  const connector = new SocketIoConnector({ io: game, uid: ({ handshake }) => handshake.auth["uid"] });
  const host = new RecordingHost();
  t.teardown(() => connector.stop());
  connector.start(host);
  const late = openClient("cid", "polling", { namespace: "/game" });
  await until(() => connector.stats.sessions === 2);

  t.deepEqual(host.events, ["opened ann", "opened cid"]);
  t.is(connector.deliverToAll(message("chat", 1), new Set()), 2);
  server.emit("sentinel");
  for (const client of [inGame, late, inMain]) await until(() => client.received.length > 0);
  t.deepEqual(inMain.received, [["sentinel"]]);
  t.deepEqual([inGame.received, late.received], [[["chat", 1]], [["chat", 1]]]);
});

test("start › takes each socket once, also from where it is being told of", async (t) => {
  const { server, openClient } = await startServer(t);
  const connector = new SocketIoConnector({ io: server });
  const host = new RecordingHost();
  t.teardown(() => connector.stop());
  server.once("connect", () => connector.start(host));

  const ann = openClient("ann");
  await until(() => ann.socket.connected);
  ann.socket.disconnect();
  await until(() => connector.stats.sessions === 0);

  t.deepEqual(host.events, ["opened ann", "closed ann"]);
});

test("start › is refused while the connector serves a frontend", async (t) => {
  const { connector, host, openSession } = await startConnector(t);

  t.throws(() => connector.start(new RecordingHost()), { code: "GC_INVALID_ARGUMENT", message: /connector-1/ });

  await openSession("ann");
  t.deepEqual(host.events, ["opened ann"]);
});

// Stop

test("stop › may be called again, at the same time, and before start; then the connector can be started again", async (t) => {
  const { server, openClient } = await startServer(t);
  const connector = new SocketIoConnector({ io: server });
  t.teardown(() => connector.stop());
  await connector.stop();
  const hosts = [new RecordingHost(), new RecordingHost(), new RecordingHost()];
  connector.start(hosts[0]!);

  for (const next of hosts.slice(1)) {
    const client = openClient("ann");
    await until(() => client.socket.connected);
    const [first, second] = [connector.stop(), connector.stop()];
    await first;
    // At once, before whoever called the other goes on.
    connector.start(next);
    await second;
  }
  const again = openClient("bob");
  await until(() => connector.stats.sessions === 1);

  t.deepEqual(connector.deliver(new Set(["bob"]), message("chat", 1)), []);
  await until(() => again.received.length === 1);
  t.deepEqual(
    hosts.map(({ events }) => events),
    [["opened ann", "closed ann"], ["opened ann", "closed ann"], ["opened bob"]],
  );
  t.is(server.sockets.listenerCount("connection"), 1);
});

for (const [title, deafen] of Object.entries<(started: Awaited<ReturnType<typeof startConnector>>) => Promise<unknown>>(
  {
    "over websocket": async ({ openWebSocket, connector }) => {
      const { ws } = await openWebSocket("deaf");
      await until(() => connector.stats.sessions > 0);
      ws.pause();
    },
    "over polling, that never polls": async ({ openPolling }) => openPolling("deaf"),
    "over polling, that does not poll again": async ({ openPolling }) => {
      const raw = await openPolling("deaf");
      await raw.poll();
    },
  },
)) {
  for (const unsent of [0, 10_000_000]) {
    test(`stop › waits a second, no more, for a client ${title}, that has ${unsent} bytes to take`, async (t) => {
      const started = await startConnector(t);
      const { connector, host, openSession, server } = started;
      await deafen(started);
      const good = await openSession("good");
      await until(() => connector.stats.sessions === 2);
      for (let sent = 0; sent < unsent; sent += 1_000_000) server.emit("news", "x".repeat(1_000_000));
      void connector.deliver(new Set(["good", ...(unsent > 0 ? ["deaf"] : [])]), message("chat", "the last"));
      const begin = performance.now();

      await connector.stop();

      const took = performance.now() - begin;
      // On a machine that is busy a second takes longer; left to themselves, connections take 30 of them.
      t.true(took < 5000, `${took} ms`);
      t.deepEqual(host.events.toSorted(), ["closed deaf", "closed good", "opened deaf", "opened good"]);
      await until(() => good.messages("chat").length === 1);
      await until(() => server.engine.clientsCount === 0);
    });
  }
}

test("stop › ends also where a client has two sessions on one connection", async (t) => {
  const { connector, host, openWebSocket } = await startConnector(t);
  const raw = await openWebSocket("ann");
  // Socket.IO refuses the second one only when the first is settled.
  raw.ws.send('40{"uid":"ann"}');
  await until(() => connector.stats.sessions === 2);
  t.like(connector.stats, { users: 1 });

  await connector.stop();

  t.deepEqual(host.events, ["opened ann", "opened ann", "closed ann", "closed ann"]);
  await raw.closed;
});

test("stop › leaves the server to its owner", async (t) => {
  const { connector, server, openSession, openClient } = await startConnector(t);
  const ann = await openSession("ann", "websocket", { reconnection: true, reconnectionDelay: 10 });
  await connector.stop();
  const late = openClient("late", "polling");
  await until(() => ann.socket.connected && late.socket.connected);

  server.emit("sentinel");

  for (const { received } of [ann, late]) await until(() => received.length === 1);
  t.is(connector.deliverToAll(message("chat", 1), new Set()), 0);
  t.deepEqual(connector.disconnectUsers(new Set(["ann"]), { close: true }), ["ann"]);
});
