import { Redis } from "ioredis";
import { isGlobalChannelError, type ChangeListener, type GlobalChannelError } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { connect, cuttable, errorsOf, membersAt, onEveryStage, replacing } from "../support/stage.js";

// What a frontend does to the memberships and the presence of its users: when they come and go, and when it does.

const test = onEveryStage();

function leaves(events: readonly string[]): string[] {
  return events.filter((event) => event.startsWith("leave"));
}

test("a member without a session fails in the push, and is then gone with one leave event", async (t, stage) => {
  const { clients } = await stage.frontend("s1");
  const service = await stage.service();
  const events = await stage.events();
  clients.connect("ann");
  await service.addMany(membersAt("s1", "room", ["ann", "ghost"]));

  const [first, second] = await Promise.all(numbers(2).map((n) => service.pushMessage("connector", "chat", n, "room")));
  t.deepEqual(first?.failIds, ["ghost"]);
  t.is(second?.delivered, 1);
  await eventually(async () => !(await service.isMember("room", "ghost")), 3000);
  const third = await service.pushMessage("connector", "chat", 3, "room");
  await service.add("room", "last", "s1");
  await eventually(() => events.includes("join last@s1 room join"), 3000);

  t.like(third, { targeted: 1, delivered: 1, failed: 0 });
  t.deepEqual(leaves(events), ["leave ghost@s1 room disconnect"]);
  t.deepEqual(await service.getMembersBySid("room", "s1").then((uids) => uids.toSorted()), ["ann", "last"]);
});

test("a member without a session stays if it is added again before it is taken out", async (t, stage) => {
  const service = await stage.service();
  const cluster = stage.cluster();
  const { manager } = cluster;
  const repairs: number[] = [];
  const late = replacing(manager, {
    leaveIfUnchanged: async (...args) => {
      await service.add("room", "ghost", "s1");
      const left = await manager.leaveIfUnchanged!(...args);
      repairs.push(left);
      return left;
    },
  });
  const { clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: late } });
  const events = await stage.events();
  await service.add("room", "ghost", "s1");

  t.deepEqual((await service.pushMessage("connector", "chat", 1, "room")).failIds, ["ghost"]);
  await eventually(() => repairs.length > 0, 3000);
  clients.connect("ghost");

  t.deepEqual(repairs, [0]);
  t.true(await service.isMember("room", "ghost"));
  t.is((await service.pushMessage("connector", "chat", 2, "room")).delivered, 1);
  t.deepEqual(leaves(events), []);
});

test("an add that is under way when the user's last session closes is taken back", async (t, stage) => {
  const { clients } = await stage.frontend("s1");
  const service = await stage.service();
  const events = await stage.events();
  const uids = numbers(20).map((n) => `user-${n}`);
  await connect(service, "s1", clients, uids);

  const adding = uids.map((uid) => service.add("room", uid, "s1"));
  for (const uid of uids) clients.disconnect(uid);
  await Promise.all(adding);

  await eventually(async () => (await service.count("room")) === 0, 3000);
  await eventually(() => leaves(events).length === 20, 3000);
  t.deepEqual(leaves(events).toSorted(), uids.map((uid) => `leave ${uid}@s1 room disconnect`).toSorted());
  for (const uid of uids) t.deepEqual(await service.getSids(uid), []);
});

test("a user who closes, opens and is added again at once is a member, on the same cluster object", async (t, stage) => {
  const cluster = stage.cluster();
  const { clients } = await stage.frontend("s1", { cluster });
  const service = await stage.service({ cluster });
  for (const n of numbers(50)) {
    const uid = `user-${n}`;
    clients.connect(uid);
    await service.add("room", uid, "s1");
    clients.disconnect(uid);
    clients.connect(uid);
    await service.add("room", uid, "s1");
  }

  const report = await service.pushMessage("connector", "chat", 1, "room");

  t.like(report, { targeted: 50, delivered: 50 });
  await eventually(async () => (await service.getSids("user-50")).length === 1, 3000);
});

test("a user leaves when the last of several sessions closes, at that frontend only", async (t, stage) => {
  const { clients: first } = await stage.frontend("s1");
  const { clients: second } = await stage.frontend("s2");
  const service = await stage.service();
  await connect(service, "s1", first, ["ann", "ann"]);
  await connect(service, "s2", second, ["ann"]);
  await service.addMany([...membersAt("s1", "room", ["ann"]), ...membersAt("s2", "room", ["ann"])]);

  first.disconnect("ann");
  // The frontend's writes keep their order: once this one is seen, one for ann would have been too.
  await connect(service, "s1", first, ["marker"]);
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 2);
  t.is(first.received("ann").length, 1);

  first.disconnect("ann");
  await eventually(async () => (await service.count("room")) === 1, 3000);
  await eventually(async () => (await service.getSids("ann")).length === 1, 3000);
  t.deepEqual(await service.getMembersBySid("room", "s2"), ["ann"]);
  t.is((await service.pushMessage("connector", "chat", 2, "room")).delivered, 1);
});

test("a frontend that starts again after a crash first evicts what was left, each once, as server-down", async (t, stage) => {
  const service = await stage.service();
  const events = await stage.events();
  const { cluster, crash } = stage.crashing();
  const { clients: old } = await stage.frontend("s1", { cluster, leaseMs: 400 });
  const uids = numbers(30).map((n) => `user-${n}`);
  await connect(service, "s1", old, uids);
  await service.addMany([...membersAt("s1", "room", uids), ...membersAt("s1", "hall", uids.slice(0, 10))]);
  await service.add("room", "elsewhere", "s2");

  crash();
  const { clients } = await stage.frontend("s1");

  t.is(await service.count("room"), 0);
  t.is(await service.count("hall"), 0);
  t.deepEqual(await service.getSids("user-1"), []);
  await eventually(() => leaves(events).length >= 40, 3000);
  clients.connect("user-1");
  await service.add("room", "user-1", "s1");
  t.like(await service.pushMessage("connector", "chat", 1, "room"), { targeted: 1, delivered: 1 });
  t.deepEqual(clients.received("user-1"), [{ route: "chat", msg: 1 }]);
  t.deepEqual(
    leaves(events).toSorted(),
    [
      ...uids.map((uid) => `leave ${uid}@s1 room server-down`),
      ...uids.slice(0, 10).map((uid) => `leave ${uid}@s1 hall server-down`),
    ].toSorted(),
  );
});

test("stop takes all members out with one leave event each, and forgets who was connected", async (t, stage) => {
  const { frontend, clients } = await stage.frontend("s1");
  const service = await stage.service();
  const events = await stage.events();
  const uids = numbers(30).map((n) => `user-${n}`);
  await connect(service, "s1", clients, uids);
  await service.addMany([...membersAt("s1", "room", [...uids, "no session"]), ...membersAt("s1", "hall", uids)]);

  const stopping = frontend.stop();
  t.is(frontend.stop(), stopping);
  await stopping;

  await eventually(() => leaves(events).length >= 61, 3000);
  t.deepEqual(
    leaves(events).toSorted(),
    [
      ...[...uids, "no session"].map((uid) => `leave ${uid}@s1 room disconnect`),
      ...uids.map((uid) => `leave ${uid}@s1 hall disconnect`),
    ].toSorted(),
  );
  t.is(await service.count("room"), 0);
  const { manager } = stage.cluster();
  await manager.start?.();
  t.teardown(() => manager.stop?.());
  t.deepEqual(await manager.getMembersBySid("room", "s1"), []);
  t.deepEqual(await manager.getSessions!(["user-1", "user-2"]), [[], []]);
  t.deepEqual(await manager.getServers!(), []);
  const { clients: next } = await stage.frontend("s1");
  t.deepEqual(await service.getMembersBySid("room", "s1"), []);
  next.connect("user-1");
  await eventually(async () => (await service.getSids("user-1")).length === 1, 3000);
});

test("pushes that have arrived when a frontend stops are delivered", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager, transport } = cluster;
  const listeners: ChangeListener[] = [];
  let [heard, arrived, goOn] = [0, 0, (): void => {}];
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const slow = replacing(manager, {
    watch: (sid, listener) => {
      listeners.push(listener);
      return manager.watch!(sid, {
        ...listener,
        change(change) {
          listener.change(change);
          heard++;
        },
      });
    },
    readMemberSet: async (name, sid) => {
      await gate;
      return manager.readMemberSet!(name, sid);
    },
  });
  const counting = replacing(transport, {
    serve: (sid, handler) =>
      transport.serve(sid, (request) => {
        if (request.type === "push") arrived++;
        return handler(request);
      }),
  });
  const { frontend, clients } = await stage.frontend("s1", {
    cluster: { ...cluster, manager: slow, transport: counting },
  });
  const service = await stage.service();
  await connect(service, "s1", clients, ["ann"]);
  await service.add("room", "ann", "s1");
  await eventually(() => heard === 1, 3000);
  t.deepEqual(await service.getChannels("ann"), ["room"]);
  // What the frontend knew of its members is stale now: pushes wait until they are read.
  for (const listener of listeners) listener.gap?.();

  const pushes = numbers(5).map((n) => service.pushMessage("connector", "chat", n, "room"));
  await eventually(() => arrived === 5, 3000);
  t.deepEqual(clients.received("ann"), []);
  const stopping = frontend.stop();
  goOn();
  const reports = await Promise.all(pushes);
  await stopping;

  t.true(reports.every(({ delivered }) => delivered === 1));
  t.deepEqual(
    clients.received("ann").map(({ msg }) => msg),
    numbers(5),
  );
});

test("stop takes users out of their channels also where the manager cannot evict", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager } = cluster;
  const limited = replacing(manager, { capabilities: { ...manager.capabilities, eviction: false } });
  const { frontend, clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: limited } });
  const service = await stage.service();
  await connect(service, "s1", clients, ["ann", "bob"]);
  await service.addMany(membersAt("s1", "room", ["ann", "bob"]));

  await frontend.stop();
  await stage.frontend("s1", { cluster: { ...stage.cluster(), manager: limited } });

  t.deepEqual(await service.getMembersBySid("room", "s1"), []);
});

test("a second frontend on a live sid is refused, naming the holder, and may start once the first has stopped", async (t, stage) => {
  const { frontend, clients } = await stage.frontend("s1", { leaseMs: 60_000 });
  const service = await stage.service();
  await connect(service, "s1", clients, ["ann"]);
  await service.add("room", "ann", "s1");
  const { frontend: second } = stage.newFrontend("s1", { leaseMs: 100 });

  const error = (await t.throwsAsync(second.start())) as GlobalChannelError;

  t.is(error.code, "GC_SID_IN_USE");
  t.is(error.sid, "s1");
  t.true(error.holder?.includes(`pid ${process.pid} on `), error.holder);
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);
  await frontend.stop();
  await t.notThrowsAsync(second.start());
});

test("a frontend whose sid was taken says so and stops, and leaves the other's members alone", async (t, stage) => {
  const { cluster, cut, mend } = cuttable(stage.cluster());
  const { frontend: first, clients: old } = await stage.frontend("s1", { cluster, leaseMs: 300 });
  const errors = errorsOf(t, first);
  const service = await stage.service();
  await connect(service, "s1", old, ["ann"]);
  await service.add("room", "ann", "s1");

  cut();
  const { clients } = await stage.frontend("s1");
  await connect(service, "s1", clients, ["bob"]);
  await service.add("room", "bob", "s1");
  mend();
  const isTaken = (error: Error): boolean => isGlobalChannelError(error) && error.code === "GC_SID_TAKEN";
  await eventually(() => errors.some(isTaken), 3000);
  await first.stop();

  const taken = errors.filter(isTaken) as GlobalChannelError[];
  t.is(taken.length, 1);
  t.is(taken[0]?.sid, "s1");
  t.true(taken[0]?.holder?.startsWith("pid "));
  t.deepEqual(await service.getMembersBySid("room", "s1"), ["bob"]);
  t.deepEqual(await service.getSids("bob"), ["s1"]);
  t.like(await service.pushMessage("connector", "chat", 1, "room"), { targeted: 1, delivered: 1 });
  t.deepEqual(old.received("ann"), []);
});

test("a dead frontend's members leave once each, however many services reap it", async (t, stage) => {
  const { cluster, crash } = stage.crashing();
  const { clients } = await stage.frontend("s1", { cluster, leaseMs: 600 });
  const writer = await stage.service();
  const heard = await Promise.all(numbers(3).map(() => stage.events({ graceMs: 300, reapIntervalMs: 10 })));
  const uids = numbers(100).map((n) => `user-${n}`);
  const members = ["a", "b", "c"].flatMap((name) => membersAt("s1", name, uids));
  await connect(writer, "s1", clients, uids.slice(0, 5));
  await writer.addMany(members);

  crash();
  await eventually(() => heard.every((events) => leaves(events).length >= 300), 5000);
  // Added once more, at a sid that the registry has forgotten by then: they leave once more.
  t.is(await writer.addMany(members), 300);
  await eventually(() => heard.every((events) => leaves(events).length >= 600), 5000);

  const once = members.map(({ name, uid }) => `leave ${uid}@s1 ${name} server-down`);
  for (const events of heard) t.deepEqual(leaves(events).toSorted(), [...once, ...once].toSorted());
  t.deepEqual(await writer.getSids("user-1"), []);
});

test("a connector that cannot start leaves nothing behind, and start may be called again", async (t, stage) => {
  const { frontend, clients } = stage.newFrontend("s1", { leaseMs: 60_000 });
  const start = clients.start.bind(clients);
  clients.start = () => {
    throw new Error("port in use");
  };

  await t.throwsAsync(frontend.start(), { message: "port in use" });
  const { frontend: other } = await stage.frontend("s1", { leaseMs: 60_000 });
  await other.stop();
  clients.start = start;
  const starting = frontend.start();
  t.is(frontend.start(), starting);
  await starting;

  const service = await stage.service();
  await connect(service, "s1", clients, ["ann"]);
  t.is((await service.broadcast("connector", "chat", 1)).delivered, 1);
});

test("what onMessage throws is told, and the next message is handled", async (t, stage) => {
  const handled: unknown[] = [];
  const { frontend, clients } = await stage.frontend("s1", {
    onMessage: async (uid, route, msg) => {
      handled.push([uid, route, msg]);
      if (route === "bad") throw new Error("oops");
    },
  });
  const errors = errorsOf(t, frontend);
  clients.connect("ann");

  clients.send("ann", "bad", 1);
  clients.send("ann", "good", { n: 2 });
  await eventually(() => handled.length === 2 && errors.length === 1, 3000);

  t.deepEqual(handled, [
    ["ann", "bad", 1],
    ["ann", "good", { n: 2 }],
  ]);
  t.is((errors[0] as GlobalChannelError).code, "GC_LISTENER_FAILED");
  t.is((errors[0]!.cause as Error).message, "oops");
});

test.onRedisAlone("2,000 members are back soon after FLUSHALL, each told once as restored", async (t, stage) => {
  const { clients } = await stage.frontend("s1", { leaseMs: 600 });
  const service = await stage.service();
  const events = await stage.events();
  const uids = numbers(1000).map((n) => `user-${n}`);
  for (const uid of uids) clients.connect(uid);
  await service.addMany([...membersAt("s1", "world", uids), ...membersAt("s1", "guild", uids)]);
  await eventually(async () => (await service.getSids("user-1000")).length === 1, 3000);
  const admin = new Redis(stage.url!);
  t.teardown(() => admin.disconnect());

  await admin.flushall();
  // An add and a push on the empty store must not stand in the way.
  await service.add("world", "user-1", "s1");
  await service.pushMessage("connector", "chat", "early", "world");
  await eventually(
    async () => (await service.count("world")) === 1000 && (await service.count("guild")) === 1000,
    5000,
  );

  await eventually(async () => (await service.getSids("user-1000")).length === 1, 3000);
  const report = await service.pushMessage("connector", "chat", "late", ["world", "guild"]);
  t.like(report, { targeted: 1000, delivered: 1000 });
  t.true(uids.every((uid) => clients.received(uid).some(({ msg }) => msg === "late")));
  t.true((await service.getChannels("user-7")).includes("guild"));
  const restored = events.filter((event) => event.endsWith(" restored"));
  t.is(new Set(restored).size, restored.length);
  t.true(restored.length === 2000 || restored.length === 1999, `${restored.length}`);
  t.deepEqual(leaves(events), []);
});
