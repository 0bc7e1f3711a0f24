import { createServer } from "node:http";
import test, { type ExecutionContext } from "ava";
import { Server } from "socket.io";
import { memory, type GlobalChannelError, type PushReport } from "../../../src/index.js";
import { TransomSocketIo, type TransomOptions, type TransomServer } from "../../../src/adapters/transom/index.js";
import { redis } from "../../../src/redis/index.js";
import { errorsOf } from "../../support/stage.js";
import { startRedis } from "../../support/redis-server.js";
import { until } from "../../connectors/websocket-support.js";
import { connect, listen, openClient, refusal, startPlugin, transomServer } from "./support.js";

// The Transom plugin in one process.

const ANN = { _id: "ann", name: "Ann" };
const BOB = { _id: "bob" };

function counts({ targeted, delivered, failed }: PushReport): number[] {
  return [targeted, delivered, failed];
}

async function failure(t: ExecutionContext, promise: Promise<unknown>): Promise<GlobalChannelError> {
  return (await t.throwsAsync(promise)) as GlobalChannelError;
}

for (const transport of ["websocket", "polling"] as const) {
  test(`emit › over ${transport} to one user, to some, and to everyone`, async (t) => {
    const { plugin, client, url } = await startPlugin(t);
    const ann = [
      await connect(t, url, await plugin.createToken(ANN), transport),
      await connect(t, url, await plugin.createToken(ANN), transport),
    ];
    const bob = await connect(t, url, await plugin.createToken(BOB), transport);

    t.deepEqual(counts(await client.emitToUsers(ANN, "news", { n: 1 })), [1, 1, 0]);
    const some = await client.emitToUsers([ANN, BOB, { _id: "nobody" }], "news", { n: 2 });
    t.deepEqual(counts(some), [3, 2, 1]);
    t.deepEqual(some.failIds, ["nobody"]);
    t.deepEqual(counts(await client.emitToEveryone("news", { n: 3 })), [2, 2, 0]);
    t.deepEqual(counts(await client.emitToUsers([], "news", { n: 4 })), [0, 0, 0]);

    for (const { received } of ann) {
      await until(() => received.length === 3);
      t.deepEqual(received, [
        ["news", { n: 1 }],
        ["news", { n: 2 }],
        ["news", { n: 3 }],
      ]);
    }
    await until(() => bob.received.length === 2);
    t.deepEqual(bob.messages("news"), [{ n: 2 }, { n: 3 }]);
  });
}

test("the socket's user is the token's, and its _id may be anything with a text", async (t) => {
  const { plugin, client, url } = await startPlugin(t);
  const objectId = { toString: () => "507f1f77bcf86cd799439011", toJSON: () => "507f1f77bcf86cd799439011" };
  // Its JSON is another than its text.
  const long = { low: 5, high: 0, toString: () => "5" };
  const users: unknown[] = [];
  client.io!.on("connection", (socket) => users.push((socket as unknown as { transomUser: unknown }).transomUser));
  const byObject = await connect(t, url, await plugin.createToken({ _id: objectId, email: "a@b.c" } as never));
  const byNumber = await connect(t, url, await plugin.createToken({ _id: 7 }));

  const byLong = await connect(t, url, await plugin.createToken({ _id: long }));

  t.deepEqual(users, [{ _id: "507f1f77bcf86cd799439011", email: "a@b.c" }, { _id: 7 }, { _id: "5" }]);
  t.is((await client.emitToUsers({ _id: long }, "news", 3)).delivered, 1);
  await until(() => byLong.received.length === 1);
  t.is((await client.emitToUsers({ _id: objectId }, "news", 1)).delivered, 1);
  t.is((await client.emitToUsers([{ _id: "7" }], "news", 2)).delivered, 1);
  await until(() => byObject.received.length + byNumber.received.length === 2);
});

test("the client is registered under both names, or under the one that is given", async (t) => {
  const both = await startPlugin(t);
  t.is(both.server.registry.get("transomMsgClient"), both.client);
  t.is(both.server.registry.get("transomMessageClient"), both.client);
  const one = await startPlugin(t, { registryKey: "messages" });
  t.is(one.server.registry.get("messages"), one.client);
  t.false(one.server.registry.has("transomMsgClient"));

  await one.plugin.stop();
  t.false(one.server.registry.has("messages"));
  await one.plugin.initialize(one.server, { cluster: memory() });
  t.true(one.server.registry.has("transomMsgClient"));
});

test("it is registered at once, and what is called before the start waits for it", async (t) => {
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  const server = transomServer();
  const initialized = plugin.initialize(server, { cluster: memory() });
  const client = server.registry.get("transomMsgClient") as Awaited<
    ReturnType<TransomSocketIo["initializeWithServer"]>
  >;
  const early = client.emitToUsers(ANN, "news", 1);
  t.is(client.io, undefined);

  await initialized;
  t.deepEqual(counts(await early), [1, 0, 1]);
  const { http } = await listen(t);
  const opened = plugin.initializeWithServer(http);
  t.true(client.io instanceof Server);
  t.is(await opened, client);
});

test("without a cluster nothing is registered until there is a server", async (t) => {
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  const server = transomServer();
  await plugin.initialize(server);
  t.false(server.registry.has("transomMsgClient"));
});

test("emitToEveryone reaches those only of whom it is known who they are", async (t) => {
  const { client, url } = await startPlugin(t, {
    authMiddleware(socket, next) {
      const { user } = socket.handshake.auth as { user?: unknown };
      if (user !== "nobody") Object.assign(socket, { transomUser: user });
      next();
    },
  });
  const auth = async (user: unknown) => {
    const opened = openClient(t, url, { auth: { user } });
    await until(() => opened.socket.connected);
    return opened;
  };
  const ann = await auth(ANN);
  const others = [await auth("nobody"), await auth({ name: "without an _id" }), await auth({ _id: "" })];

  t.deepEqual(counts(await client.emitToEveryone("news", 1)), [1, 1, 0]);
  await client.emitToUsers(ANN, "news", 2);
  await until(() => ann.received.length === 2);
  for (const { received, socket } of others) {
    t.true(socket.connected);
    t.deepEqual(received, []);
  }
});

test("a token lets in once; all else is refused", async (t) => {
  const { plugin, client, url } = await startPlugin(t);
  const token = await plugin.createToken(ANN);
  await connect(t, url, token);

  for (const query of [{ token }, { token: "x".repeat(43) }, {}]) {
    const refused = openClient(t, url, { query });
    t.is((await refusal(refused)).message, "INVALID_TOKEN");
  }
  const byAuth = openClient(t, url, { auth: { token: await plugin.createToken(BOB) } });
  await until(() => byAuth.socket.connected);
  t.is((await client.emitToEveryone("news", 1)).delivered, 2);
  const short = await plugin.createToken(ANN, { ttlMs: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is((await refusal(openClient(t, url, { query: { token: short } }))).message, "INVALID_TOKEN");
});

test("a registry's own nonces are used in the place of tokens", async (t) => {
  const server = transomServer();
  const asked: string[] = [];
  server.registry.set("transomNonce", {
    verifyNonce(token: string, callback: (error: Error | null, payload?: unknown) => void) {
      asked.push(token);
      setTimeout(() => (token === "good" ? callback(null, ANN) : callback(new Error("Invalid Token"))), 5);
    },
  });
  const { plugin, client, url } = await startPlugin(t, {}, server);

  await connect(t, url, "good");
  const own = await plugin.createToken(BOB);
  t.is((await refusal(openClient(t, url, { query: { token: own } }))).message, "INVALID_TOKEN");

  t.deepEqual(asked, ["good", own]);
  t.is((await client.emitToUsers(ANN, "news", 1)).delivered, 1);
});

test("disconnectUsers › closes every socket of the users", async (t) => {
  const { plugin, client, url } = await startPlugin(t);
  const ann = await connect(t, url, await plugin.createToken(ANN));
  const bob = await connect(t, url, await plugin.createToken(BOB), "polling");
  const reasons: string[] = [];
  for (const { socket } of [ann, bob]) socket.on("disconnect", (reason) => reasons.push(reason));

  t.deepEqual(counts(await client.disconnectUsers([ANN, { _id: "nobody" }], true)), [2, 1, 1]);
  await until(() => reasons.length === 1);
  t.deepEqual(counts(await client.disconnectUsers(BOB)), [1, 1, 0]);
  await until(() => reasons.length === 2);

  t.deepEqual(reasons, ["io server disconnect", "io server disconnect"]);
  t.is(client.connector!.stats.sessions, 0);
});

test("sockets join channels by the service, and rooms that are channels", async (t) => {
  const { plugin, client, url } = await startPlugin(t, { connector: { rooms: true } });
  const ann = await connect(t, url, await plugin.createToken(ANN));
  const bob = await connect(t, url, await plugin.createToken(BOB));
  const rooms = client.connector!.rooms(client.service);

  await client.service.add("chess", "ann", client.frontend!.sid);
  await rooms.join(
    [...client.io!.sockets.sockets.values()].find(({ id }) => id === bob.socket.id)!,
    "chess",
  );
  const report = await client.service.pushMessage("transom", "move", "e4", "chess");

  t.is(report.delivered, 2);
  client.io!.to("chess").emit("move", "e5");
  await until(() => ann.received.length + bob.received.length === 4);
  t.deepEqual(ann.messages("move"), ["e4", "e5"]);
});

test("an io that is given is used, and stays its owner's", async (t) => {
  const { http, url } = await listen(t);
  const io = new Server(http);
  t.teardown(() => io.close());
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());

  for (let life = 0; life < 2; life++) {
    await plugin.initialize(transomServer());
    const client = await plugin.initializeWithServer(undefined, io);
    t.is(client.io, io);
    const ann = await connect(t, url, await plugin.createToken(ANN));
    t.is((await client.emitToUsers(ANN, "news", life)).delivered, 1);
    await until(() => ann.received.length === 1);
    await plugin.stop();
    await until(() => !ann.socket.connected);
  }
  t.true(http.listening);
});

test("an io that is given lets everyone in again after stop, and after a start that failed", async (t) => {
  const { http, url } = await listen(t);
  const io = new Server(http);
  t.teardown(() => io.close());
  const cluster = memory();
  await startPlugin(t, { cluster, sid: "one" });
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  const stranger = async () => {
    const one = openClient(t, url, {});
    await until(() => one.socket.connected);
  };

  await plugin.initialize(transomServer(), { cluster, sid: "one", frontend: { leaseMs: 300 } });
  t.is((await failure(t, plugin.initializeWithServer(undefined, io))).code, "GC_SID_IN_USE");
  await stranger();
  await plugin.stop();

  await plugin.initialize(transomServer(), { cluster });
  await plugin.initializeWithServer(undefined, io);
  t.is((await refusal(openClient(t, url, {}))).message, "INVALID_TOKEN");
  await plugin.stop();
  await stranger();
});

test("a client whose connection state is recovered is the same user again", async (t) => {
  const { plugin, client, url } = await startPlugin(t, { socketio: { connectionStateRecovery: {} } });
  const users: unknown[] = [];
  client.io!.on("connection", (socket) => users.push((socket as unknown as { transomUser: unknown }).transomUser));
  const ann = openClient(t, url, {
    query: { token: await plugin.createToken(ANN) },
    transports: ["websocket"],
    reconnection: true,
    reconnectionDelay: 10,
  });
  await until(() => ann.socket.connected);
  // Only who has got something can be recovered.
  t.is((await client.emitToUsers(ANN, "news", 1)).delivered, 1);
  await until(() => ann.received.length === 1);

  ann.socket.io.engine.close();
  await until(() => users.length === 2 && ann.socket.connected);

  t.true(ann.socket.recovered);
  t.deepEqual(users, [ANN, ANN]);
  t.is((await client.emitToUsers(ANN, "news", 2)).delivered, 1);
  await until(() => ann.messages("news").includes(2));
});

test("nonces that cannot be checked are refused at the start, and one that throws is told", async (t) => {
  const server = transomServer();
  server.registry.set("transomNonce", {});
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  await plugin.initialize(server);
  const { http } = await listen(t);
  t.regex((await failure(t, plugin.initializeWithServer(http))).message, /verifyNonce/);

  const broken = transomServer();
  broken.registry.set("transomNonce", {
    verifyNonce() {
      throw new Error("the database is away");
    },
  });
  const errors = errorsOf(t, broken);
  const { url } = await startPlugin(t, {}, broken);
  t.is((await refusal(openClient(t, url, { query: { token: "x" } }))).message, "TOKEN_NOT_CHECKED");
  t.is((errors[0]!.cause as Error).message, "the database is away");
});

test("an HTTP server that is given serves what else it serves, also after stop, and may be used again", async (t) => {
  const { http, url } = await listen(
    t,
    createServer((_request, response) => void response.end("the application's")),
  );
  const later: string[] = [];
  const listening = http.listenerCount("listening");
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  const get = async (path: string) => (await fetch(url + path)).text();

  for (const transport of ["websocket", "polling"] as const) {
    await plugin.initialize(transomServer());
    const client = await plugin.initializeWithServer(http);
    http.on("request", ({ url: path }) => later.push(path!));
    const ann = await connect(t, url, await plugin.createToken(ANN), transport);
    t.is((await client.emitToUsers(ANN, "news", 1)).delivered, 1);
    await until(() => ann.received.length === 1);
    t.is(await get("/"), "the application's");

    await plugin.stop();

    await until(() => !ann.socket.connected);
    t.is(await get("/socket.io/?EIO=4&transport=polling"), "the application's");
    t.deepEqual(
      ["upgrade", "request", "close", "listening"].map((event) => http.listenerCount(event)),
      [0, transport === "websocket" ? 2 : 3, 0, listening],
    );
  }
  t.true(later.includes("/"));
});

test("bad input › is refused with what is allowed, and nothing is left", async (t) => {
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  const server = transomServer();
  const init = (options: unknown, to: unknown = server) =>
    plugin.initialize(to as TransomServer, options as TransomOptions);

  t.is((await failure(t, plugin.initializeWithServer(createServer()))).code, "GC_NOT_STARTED");
  t.is((await failure(t, plugin.createToken(ANN))).code, "GC_NOT_STARTED");
  for (const [options, argument] of [
    [{ registrykey: "x" }, "registrykey"],
    [{ registryKey: "" }, "registryKey"],
    [{ cluster: {} }, "cluster"],
    [{ authMiddleware: 1 }, "authMiddleware"],
    [{ sid: "" }, "sid"],
    [{ socketio: 1 }, "socketio"],
    [{ tokens: { ttlMs: 0 } }, "ttlMs"],
    [{ service: { timeoutMs: 0 } }, "timeoutMs"],
  ] as const) {
    const error = await failure(t, init(options));
    t.is(error.code, "GC_INVALID_OPTION", argument);
    t.is(error.argument, argument);
  }
  t.is((await failure(t, init({}, {}))).argument, "server");
  await init({ connector: { maxBufferedBytes: 0 }, frontend: { leaseMs: 300 } });
  t.is((await failure(t, init({}))).code, "GC_INVALID_ARGUMENT");
  t.is((await failure(t, plugin.initializeWithServer({} as never))).argument, "httpServer");
  t.is((await failure(t, plugin.initializeWithServer(createServer()))).argument, "maxBufferedBytes");
  await plugin.stop();

  const taken = transomServer();
  taken.registry.set("transomMessageClient", "somebody's");
  t.regex((await failure(t, init({ cluster: memory() }, taken))).message, /transomMessageClient.*already/);
  t.false(taken.registry.has("transomMsgClient"));

  await init({});
  const client = await plugin.initializeWithServer((await listen(t)).http);
  const emit = (users: unknown, name: unknown, data: unknown) =>
    client.emitToUsers(users as never, name as string, data);
  for (const [users, argument] of [
    [undefined, "users"],
    ["ann", "users"],
    [[ANN, null], "users[1]"],
    [[ANN, {}], "users[1]._id"],
    [{ _id: {} }, "users._id"],
    [{ _id: "" }, "users._id"],
    [{ _id: 0.5 }, "users._id"],
  ] as const) {
    const error = await failure(t, emit(users, "news", 1));
    t.is(error.code, "GC_INVALID_ARGUMENT");
    t.is(error.argument, argument);
    t.is((await failure(t, client.disconnectUsers(users as never))).argument, argument);
  }
  for (const name of [undefined, "", 7, "connect", "disconnect", "x".repeat(2000)]) {
    t.is((await failure(t, emit(ANN, name, 1))).argument, "channelName");
    t.is((await failure(t, client.emitToEveryone(name as string, 1))).argument, "channelName");
  }
  t.is((await failure(t, emit(ANN, "news", undefined))).code, "GC_MESSAGE_NOT_SERIALIZABLE");
  t.is((await failure(t, client.disconnectUsers(ANN, 1 as never))).argument, "close");
  t.is((await failure(t, plugin.createToken({} as never))).argument, "user._id");
  t.is((await failure(t, plugin.createToken(ANN, { ttlMs: -1 }))).argument, "ttlMs");
});

test("a cluster without tokens says that it has none", async (t) => {
  const { manager, registry, transport } = memory();
  const { plugin, url } = await startPlugin(t, { cluster: { manager, registry, transport } });

  t.is((await failure(t, plugin.createToken(ANN))).code, "GC_UNSUPPORTED");
  const error = await refusal(openClient(t, url, { query: { token: "x".repeat(43) } }));
  t.is(error.message, "TOKEN_NOT_CHECKED");
  t.like(error.data, { code: "GC_UNSUPPORTED" });
});

test("initialize › fails where the cluster is away, and may be tried again", async (t) => {
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  const server = transomServer();

  const error = await failure(t, plugin.initialize(server, { cluster: redis("redis://127.0.0.1:1") }));
  t.is(error.code, "GC_STORE_UNAVAILABLE");
  t.false(server.registry.has("transomMsgClient"));

  const store = await startRedis();
  t.teardown(() => store.stop());
  await plugin.initialize(server, { cluster: redis(store.url) });
  t.true(server.registry.has("transomMsgClient"));
});

test("initializeWithServer › fails where the sid is in use, and may be tried again", async (t) => {
  const cluster = memory();
  const first = await startPlugin(t, { cluster, sid: "one" });
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  await plugin.initialize(transomServer(), { cluster, sid: "one", frontend: { leaseMs: 300 } });

  t.is((await failure(t, plugin.initializeWithServer((await listen(t)).http))).code, "GC_SID_IN_USE");
  await first.plugin.stop();
  const client = await plugin.initializeWithServer((await listen(t)).http);
  t.is(client.frontend!.sid, "one");
});
