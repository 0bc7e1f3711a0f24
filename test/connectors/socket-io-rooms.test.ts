import { EventEmitter, once } from "node:events";
import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";
import type { Server, ServerOptions, Socket } from "socket.io";
import { SocketIoConnector } from "../../src/connectors/socket-io/connector.js";
import type { ConnectorHost, FrontendOptions } from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { errorsOf, Stage } from "../support/stage.js";
import { type Client, startConnector, startServer } from "./socket-io-support.js";
import { message, RecordingHost, until } from "./websocket-support.js";

let redis: RedisServer;
test.before(async () => {
  redis = await startRedis();
});
test.after.always(() => redis?.stop());

/** A frontend `s1` of whose connector the rooms are channels, and two services elsewhere. */
async function startRooms(
  t: ExecutionContext,
  stage: Stage,
  serverOptions: Partial<ServerOptions> = {},
  frontendOptions: Partial<FrontendOptions> = {},
) {
  const started = await startServer(t, serverOptions);
  const connector = new SocketIoConnector({ io: started.server, rooms: true });
  const { frontend } = await stage.frontend("s1", { connector, ...frontendOptions });
  const errors = errorsOf(t, frontend);
  const services = [await stage.service(), await stage.service()] as const;

  async function openSession(...args: Parameters<typeof started.openClient>): Promise<Client> {
    const before = connector.stats.sessions;
    const client = started.openClient(...args);
    await until(() => client.socket.connected && connector.stats.sessions > before);
    return client;
  }

  return { ...started, connector, frontend, errors, services, service: services[0], openSession };
}

/** The users whose sockets are in a room, one for each socket. */
function inRoom(server: Server, room: string): string[] {
  const ids = [...(server.sockets.adapter.rooms.get(room) ?? [])];
  return ids.map((id) => server.sockets.sockets.get(id)!.data.uid as string).toSorted();
}

function socketOf(server: Server, client: Client): Socket {
  return server.sockets.sockets.get(client.socket.id!)!;
}

const STAGES: [where: string, stage: (t: ExecutionContext) => Stage, runs: number][] = [
  ["in memory", (t) => new Stage(t), 40],
  ["on Redis", (t) => new Stage(t, { redis }), 25],
];

for (const [where, stageOf, numRuns] of STAGES) {
  test(`rooms › ${where}: all sockets of a member are in its channel's room, whoever makes it one, and no other`, async (t) => {
    const { server, services, openSession, errors } = await startRooms(t, stageOf(t));
    const [one, two] = services;
    const ann = [await openSession("ann"), await openSession("ann", "polling")];
    const bob = await openSession("bob");

    await one.add("room", "ann", "s1");
    await until(() => inRoom(server, "room").length === 2);
    await two.addMany([
      { name: "hall", uid: "ann", sid: "s1" },
      { name: "hall", uid: "bob", sid: "s1" },
      { name: "hall", uid: "bob", sid: "elsewhere" },
    ]);
    await until(() => inRoom(server, "hall").length === 3);
    server.to("room").emit("to the room");
    server.emit("sentinel");
    for (const client of [...ann, bob]) await until(() => client.received.at(-1)?.[0] === "sentinel");
    for (const { received } of ann) t.deepEqual(received, [["to the room"], ["sentinel"]]);
    t.deepEqual(bob.received, [["sentinel"]]);

    await two.leave("room", "ann", "s1");
    await until(() => inRoom(server, "room").length === 0);
    t.deepEqual(inRoom(server, "hall"), ["ann", "ann", "bob"]);
    await one.add("room", "bob", "s1");
    await two.leaveAll("ann", "s1");
    await until(() => inRoom(server, "hall").length === 1 && inRoom(server, "room").length === 1);
    await one.destroyChannel("hall");
    await until(() => inRoom(server, "hall").length === 0);
    t.deepEqual(inRoom(server, "room"), ["bob"]);
    t.deepEqual(errors, []);
  });

  test(`rooms › ${where}: a socket that comes later enters those of its user`, async (t) => {
    const { server, service, openSession, openClient } = await startRooms(t, stageOf(t));
    await openSession("ann");
    for (const name of ["room", "hall"]) await service.add(name, "ann", "s1");
    await until(() => inRoom(server, "room").length + inRoom(server, "hall").length === 2);

    const second = await openSession("ann");
    const anonymous = openClient(undefined);
    await until(() => anonymous.socket.connected);

    t.deepEqual(socketOf(server, second).rooms, new Set([second.socket.id, "room", "hall"]));
    t.deepEqual([...socketOf(server, anonymous).rooms], [anonymous.socket.id]);
    second.socket.disconnect();
    await until(() => inRoom(server, "room").length === 1);
  });

  test(`rooms › ${where}: the helpers make members, and resolve when all sockets are in, or out`, async (t) => {
    const { server, connector, service, openSession, errors } = await startRooms(t, stageOf(t));
    const [ann, second] = [await openSession("ann"), await openSession("ann")];
    const rooms = connector.rooms(service);

    for (let round = 0; round < 3; round++) {
      t.true(await rooms.join(socketOf(server, ann), "room"));
      t.deepEqual(inRoom(server, "room"), ["ann", "ann"]);
      t.true(await service.isMember("room", "ann"));
      t.false(await rooms.join(socketOf(server, second), "room"));
      t.true(await rooms.leave(socketOf(server, second), "room"));
      t.deepEqual(inRoom(server, "room"), []);
      t.false(await service.isMember("room", "ann"));
      t.false(await rooms.leave(socketOf(server, ann), "room"));
    }

    const together = await Promise.all(["a", "b", "c"].map((room) => rooms.join(socketOf(server, ann), room)));
    t.deepEqual(together, [true, true, true]);
    for (const room of ["a", "b", "c"]) t.deepEqual(inRoom(server, room), ["ann", "ann"]);
    t.deepEqual(errors, []);
  });

  test(`rooms › ${where}: end in step with channels, whatever two services do at once`, async (t) => {
    const { server, connector, services, openSession, errors } = await startRooms(t, stageOf(t));
    const users = ["ann", "bob"];
    const names = ["room", "hall"];
    const clients = [await openSession("ann"), await openSession("bob")];
    await openSession("ann", "polling");
    const step = fc.record({
      service: fc.constantFrom(...services),
      call: fc.constantFrom("add", "leave", "join", "quit", "destroyChannel", "leaveAll"),
      user: fc.nat(1),
      name: fc.constantFrom(...names),
      waits: fc.boolean(),
    });

    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
        const calls: Promise<unknown>[] = [];
        for (const { service, call, user, name, waits } of steps) {
          const uid = users[user]!;
          const socket = socketOf(server, clients[user]!);
          if (call === "add" || call === "leave") calls.push(service[call](name, uid, "s1"));
          else if (call === "join") calls.push(connector.rooms(service).join(socket, name));
          else if (call === "quit") calls.push(connector.rooms(service).leave(socket, name));
          else if (call === "leaveAll") calls.push(service.leaveAll(uid, "s1"));
          else calls.push(service.destroyChannel(name));
          if (waits) await new Promise(setImmediate);
        }
        await Promise.all(calls);
        for (const name of names) {
          const members = await services[0].getMembersBySid(name, "s1");
          const expected = members.flatMap((uid) => (uid === "ann" ? ["ann", "ann"] : [uid])).toSorted();
          await until(() => inRoom(server, name).join() === expected.join());
        }
      }),
      { numRuns, endOnFailure: true },
    );

    t.deepEqual(errors, []);
  });
}

test("rooms › that are channels named like a socket let nobody else into what is for that socket alone", async (t) => {
  const { server, connector, service, openSession } = await startRooms(t, new Stage(t));
  const [ann, eve] = [await openSession("ann"), await openSession("eve")];
  const id = ann.socket.id!;

  t.true(await connector.rooms(service).join(socketOf(server, eve), id));
  t.true(await service.add(id, "ann", "s1"));
  const second = await openSession("eve");
  t.deepEqual(inRoom(server, id), ["ann"]);
  server.to(id).emit("for ann");
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), []);
  server.emit("sentinel");
  for (const { received } of [ann, eve, second]) await until(() => received.at(-1)?.[0] === "sentinel");
  for (const { received } of [eve, second]) t.deepEqual(received, [["sentinel"]]);
  t.deepEqual(ann.received, [["for ann"], ["chat", 1], ["sentinel"]]);

  t.true(await connector.rooms(service).leave(socketOf(server, eve), id));
  t.true(await service.leave(id, "ann", "s1"));
  t.deepEqual(inRoom(server, id), ["ann"], "its own room stays its own");
});

test("rooms › the helpers refuse a socket without a session, a name that is none, and a connector without rooms", async (t) => {
  const { server, connector, service, openSession, openClient } = await startRooms(t, new Stage(t));
  const anonymous = openClient(undefined);
  await until(() => anonymous.socket.connected);
  const ann = await openSession("ann");
  const socket = socketOf(server, ann);
  const rooms = connector.rooms(service);

  for (const verb of ["join", "leave"] as const) {
    await t.throwsAsync(rooms[verb](socketOf(server, anonymous), "room"), {
      code: "GC_INVALID_ARGUMENT",
      message: /no session/,
    });
    await t.throwsAsync(rooms[verb](undefined as never, "room"), { code: "GC_INVALID_ARGUMENT" });
    await t.throwsAsync(rooms[verb](socket, ""), { code: "GC_INVALID_ARGUMENT" });
  }
  ann.socket.disconnect();
  await until(() => connector.stats.sessions === 0);
  await t.throwsAsync(rooms.join(socket, "room"), { code: "GC_INVALID_ARGUMENT", message: /no session/ });
  const { connector: without } = await startConnector(t);
  t.throws(() => without.rooms(service), { code: "GC_INVALID_OPTION", message: /rooms is false/ });
});

test("rooms › the helpers do not wait for ever for a frontend that does not hear", async (t) => {
  const { server, connector, openSession } = await startConnector(t, { rooms: true });
  const ann = await openSession("ann");
  const service = { add: async () => true, leave: async () => false };
  const begin = performance.now();

  // This host knows of no channels.
  t.true(await connector.rooms(service).join(socketOf(server, ann), "room"));
  t.false(await connector.rooms(service).leave(socketOf(server, ann), "room"));

  const took = performance.now() - begin;
  t.true(took > 900 && took < 10_000, `${took} ms`);
  t.deepEqual(inRoom(server, "room"), []);
});

test("rooms › are left alone without the option, and those of the application with it", async (t) => {
  const { server, openClient } = await startServer(t);
  const connector = new SocketIoConnector({ io: server });
  const stage = new Stage(t);
  const service = await stage.service();
  await stage.frontend("s1", { connector });
  const events: string[] = [];
  for (const event of ["create-room", "join-room", "leave-room", "delete-room"]) {
    server.sockets.adapter.on(event, (room: string) => events.push(`${event} ${room}`));
  }
  const ann = openClient("ann");
  await until(() => ann.socket.connected && connector.stats.sessions === 1);
  const { id } = ann.socket;
  await eventually(async () => (await service.getSids("ann")).includes("s1"), 5000);
  await service.add("room", "ann", "s1");
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);
  await service.leave("room", "ann", "s1");
  ann.socket.disconnect();
  await until(() => connector.stats.sessions === 0);
  t.deepEqual(events, [`create-room ${id}`, `join-room ${id}`, `leave-room ${id}`, `delete-room ${id}`]);
  t.is(connector.joined, undefined);
  t.is(connector.left, undefined);

  const withRooms = await startRooms(t, new Stage(t));
  const bob = await withRooms.openSession("bob");
  await socketOf(withRooms.server, bob).join("of the application");
  await withRooms.service.add("room", "bob", "s1");
  await withRooms.service.leave("room", "bob", "s1");
  await withRooms.service.add("hall", "bob", "s1");
  await until(() => inRoom(withRooms.server, "hall").length === 1);
  t.deepEqual(inRoom(withRooms.server, "of the application"), ["bob"]);
});

test("rooms › what joining or leaving fails with is told, and harms nothing", async (t) => {
  const { server, connector, host, openSession } = await startConnector(t, { rooms: true });
  await openSession("ann");
  const failure = new Error("no room");
  server.sockets.adapter.addAll = () => Promise.reject(failure);
  server.sockets.adapter.del = () => Promise.reject(failure);

  connector.joined!("ann", "room");
  connector.left!("ann", "room");
  connector.joined!("nobody", "room");
  await until(() => host.errors.length === 2);

  t.deepEqual(host.errors, [failure, failure]);
});

// Connection state recovery

/** Cuts the client's connection, and resolves when it is back with its state. */
async function comeBack(t: ExecutionContext, client: Client, meanwhile: () => unknown): Promise<void> {
  const back = once(client.socket as unknown as EventEmitter, "connect");
  client.socket.io.reconnection(false);
  client.socket.io.engine.close();
  await meanwhile();
  client.socket.connect();
  await back;
  t.true(client.socket.recovered);
}

test("rooms › a socket whose state is recovered comes back into those of its user's channels that are still such", async (t) => {
  const { connector, host, openSession, server } = await startConnector(
    t,
    { rooms: true },
    { connectionStateRecovery: {} },
  );
  let channels = ["stays", "goes"];
  host.channelsOf = () => channels;
  const ann = await openSession("ann");
  await socketOf(server, ann).join("of the application");
  void connector.deliver(new Set(["ann"]), message("chat", 1));
  await until(() => ann.received.length === 1);
  const { id } = ann.socket;

  await comeBack(t, ann, async () => {
    await until(() => connector.stats.sessions === 0);
    channels = ["stays", "comes"];
    server.to("stays").emit("missed");
  });
  await until(() => connector.stats.sessions === 1);

  t.is(ann.socket.id, id);
  t.deepEqual(socketOf(server, ann).rooms, new Set([id, "stays", "of the application", "comes"]));
  t.deepEqual(Object.keys(socketOf(server, ann).data), ["uid"]);
  await until(() => ann.received.length === 2);
  t.is(ann.received[1]![0], "missed");
});

test("rooms › of a socket that comes back is nobody who is in the room of its id now, for pushes", async (t) => {
  const { connector, host, openSession, server } = await startConnector(
    t,
    { rooms: true },
    { connectionStateRecovery: {} },
  );
  const [ann, eve] = [await openSession("ann"), await openSession("eve")];
  void connector.deliver(new Set(["ann"]), message("chat", 1));
  await until(() => ann.received.length === 1);
  const id = ann.socket.id!;

  await comeBack(t, ann, async () => {
    await until(() => connector.stats.sessions === 1);
    connector.joined!("eve", id);
  });
  await until(() => connector.stats.sessions === 2);

  t.deepEqual(inRoom(server, id).toSorted(), ["ann", "eve"]);
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 2)), []);
  server.emit("sentinel");
  await until(() => eve.received.length > 0);
  t.is(eve.received[0]![0], "sentinel");
  t.deepEqual(host.errors, []);
});

test("rooms › of a frontend that starts with members are entered by their sockets", async (t) => {
  const { server, openClient } = await startServer(t);
  const ann = openClient("ann");
  await until(() => ann.socket.connected);
  const connector = new SocketIoConnector({ io: server, rooms: true });
  const host = new RecordingHost();
  host.channelsOf = () => ["room"] as never;
  t.teardown(() => connector.stop());

  connector.start(host);

  t.deepEqual(inRoom(server, "room"), ["ann"]);
});

test("rooms › are refused where the manager does not tell who joins", async (t) => {
  const { server } = await startServer(t);
  const host = new RecordingHost();
  const deaf: ConnectorHost = {
    sid: host.sid,
    opened: (uid) => host.opened(uid),
    closed: (uid) => host.closed(uid),
    message: (...args) => host.message(...args),
    error: (error) => host.error(error),
  };

  const error = t.throws(() => new SocketIoConnector({ io: server, rooms: true }).start(deaf));
  t.like(error, { code: "GC_UNSUPPORTED" });
  t.notThrows(() => new SocketIoConnector({ io: server }).start(deaf));
});
