import type { ExecutionContext } from "ava";
import {
  MemoryChannelManager,
  type ChangeListener,
  type ChannelManager,
  type GlobalChannelError,
  type PushReport,
} from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import type { RecordingConnector } from "../support/recording-connector.js";
import { connect, membersAt, onEveryStage, replacing } from "../support/stage.js";
import { totals, twoFrontends } from "../support/two-frontends.js";

// Pushes of the service: whom they reach, in which order, and what the report and the callback say of it.

const test = onEveryStage();

function messages(clients: RecordingConnector, uid: string): unknown[] {
  return clients.received(uid).map(({ msg }) => msg);
}

async function failure(t: ExecutionContext, promise: Promise<unknown>): Promise<GlobalChannelError> {
  return (await t.throwsAsync(promise)) as GlobalChannelError;
}

test("the report adds up, in whole and for each frontend, and names who has no session", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  await service.addMany([...membersAt("s1", "room", ["gone"]), ...membersAt("s2", "room", ["away"])]);

  const report = await service.pushMessage("connector", "chat", { text: "hi" }, "room");

  t.deepEqual(totals(report), [5, 3, 2, 0, 0]);
  t.deepEqual(report.failIds.toSorted(), ["away", "gone"]);
  t.deepEqual(
    report.frontends.toSorted((a, b) => a.sid.localeCompare(b.sid)),
    [
      { sid: "s1", targeted: 3, delivered: 2, failed: 1, unknown: 0 },
      { sid: "s2", targeted: 2, delivered: 1, failed: 1, unknown: 0 },
    ],
  );
  for (const [clients, uid] of [
    [first, "ann"],
    [first, "bob"],
    [second, "cid"],
  ] as const) {
    t.deepEqual(clients.received(uid), [{ route: "chat", msg: { text: "hi" } }]);
  }
});

test("a push is for frontends of its type only", async (t, stage) => {
  const service = await stage.service();
  await twoFrontends(stage, service);
  const { clients: gate } = await stage.frontend("g1", { stype: "gate" });
  await connect(service, "g1", gate, ["dan"]);
  await service.add("room", "dan", "g1");

  t.is((await service.pushMessage("gate", "chat", 1, "room")).delivered, 1);
  t.is((await service.pushMessage("connector", "chat", 2, "room")).delivered, 3);
  t.is((await service.broadcast("gate", "chat", 3)).delivered, 1);
  t.deepEqual(totals(await service.pushToUsers("connector", "chat", 4, ["dan"])), [1, 0, 1, 0, 0]);
  t.deepEqual(messages(gate, "dan"), [1, 3]);
});

test("whom a push excepts gets nothing and is not in its report, in every kind of push", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  await connect(service, "s1", first, ["7"]);
  await service.add("room", 7, "s1");
  const except = ["ann", 7, "nobody"];

  t.deepEqual(totals(await service.pushMessage("connector", "chat", 1, "room", { except })), [2, 2, 0, 0, 0]);
  t.deepEqual(
    totals(await service.pushToUsers("connector", "chat", 2, ["ann", "bob", "absent", 7], { except })),
    [2, 1, 1, 0, 0],
  );
  t.deepEqual(totals(await service.broadcast("connector", "chat", 3, { except })), [2, 2, 0, 0, 0]);

  t.deepEqual(messages(first, "ann"), []);
  t.deepEqual(messages(first, "7"), []);
  t.deepEqual(messages(first, "bob"), [1, 2, 3]);
  t.deepEqual(messages(second, "cid"), [1, 3]);
});

test("a push to several channels is one copy for each user at a frontend", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  await service.addMany([
    ...membersAt("s1", "hall", ["ann"]),
    ...membersAt("s2", "hall", ["cid"]),
    ...membersAt("s2", "yard", ["cid"]),
  ]);

  const report = await service.pushMessage("connector", "chat", 1, ["hall", "room", "none", "yard", "room"]);

  t.deepEqual(totals(report), [3, 3, 0, 0, 0]);
  t.deepEqual(messages(first, "ann"), [1]);
  t.deepEqual(messages(first, "bob"), [1]);
  t.deepEqual(messages(second, "cid"), [1]);
});

test("pushToUsers reaches users at every frontend where they are; who is nowhere fails once", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  await connect(service, "s2", second, ["ann"]);

  const report = await service.pushToUsers("connector", "chat", 1, ["ann", "cid", "absent", "ann", "absent"]);

  t.deepEqual(totals(report), [4, 3, 1, 0, 0]);
  t.deepEqual(report.failIds, ["absent"]);
  t.deepEqual([messages(first, "ann"), messages(second, "ann"), messages(second, "cid")], [[1], [1], [1]]);
  t.deepEqual(messages(first, "bob"), []);
  t.deepEqual(totals(await service.pushToUsers("connector", "chat", 2, ["absent"])), [1, 0, 1, 0, 0]);
});

test("broadcast reaches everyone who has a session, member or not", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  await connect(service, "s2", second, ["dan"]);

  const report = await service.broadcast("connector", "news", "all");

  t.deepEqual(totals(report), [4, 4, 0, 0, 0]);
  t.deepEqual([messages(first, "ann"), messages(second, "dan")], [["all"], ["all"]]);
});

test("a push that is for nobody resolves zeros", async (t, stage) => {
  const service = await stage.service();
  const zeros = { targeted: 0, delivered: 0, failed: 0, unknown: 0, failIds: [], unlisted: 0, frontends: [] };
  await service.add("ghosts", "ann", "never");

  t.deepEqual(await service.broadcast("connector", "chat", 1), zeros);
  await stage.frontend("s1");
  t.deepEqual(await service.pushMessage("connector", "chat", 1, "room"), zeros);
  t.deepEqual(await service.pushMessage("connector", "chat", 1, "ghosts"), zeros);
  t.deepEqual(await service.pushMessage("connector", "chat", 1, []), zeros);
  t.deepEqual(await service.pushToUsers("connector", "chat", 1, []), zeros);
});

test.alone("members at a frontend that hangs are unknown and named at the deadline", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  second.hang();

  for (const push of [
    () => service.pushMessage("connector", "chat", 1, "room", { timeoutMs: 200 }),
    () => service.pushToUsers("connector", "chat", 1, ["ann", "bob", "cid"], { timeoutMs: 200 }),
  ]) {
    const startedAt = performance.now();
    const report = await push();
    const tookMs = performance.now() - startedAt;

    t.true(tookMs > 190 && tookMs < 350, `${tookMs} ms`);
    t.deepEqual(totals(report), [3, 2, 0, 1, 0]);
    t.deepEqual(report.failIds, ["cid"]);
    const part = report.frontends.find(({ sid }) => sid === "s2");
    t.like(part, { targeted: 1, delivered: 0, failed: 0, unknown: 1 });
    t.is(part?.error?.code, "GC_TIMEOUT");
    t.is(report.frontends.find(({ sid }) => sid === "s1")?.error, undefined);
  }
  t.deepEqual(messages(first, "ann"), [1, 1]);
});

test.alone(
  "a broadcast counts the users of a frontend that hangs without naming them, which its callback is told of",
  async (t, stage) => {
    const service = await stage.service();
    const { second } = await twoFrontends(stage, service);
    second.hang();

    const calls: unknown[][] = [];
    const report = await service.broadcast("connector", "chat", 1, { timeoutMs: 200 }, (...args) => calls.push(args));
    await eventually(() => calls.length > 0, 1000);

    t.deepEqual(totals(report), [3, 2, 0, 1, 1]);
    t.deepEqual(report.failIds, []);
    t.is(calls.length, 1);
    t.is((calls[0]![0] as GlobalChannelError).code, "GC_STORE_UNAVAILABLE");
    t.is((calls[0]![0] as GlobalChannelError).report, report);
  },
);

test.alone(
  "a push that fails at every frontend rejects with its report; a callback gets the error and the uids",
  async (t, stage) => {
    const service = await stage.service();
    const { first, second } = await twoFrontends(stage, service);
    first.hang();
    second.hang();

    const calls: unknown[][] = [];
    const error = await failure(
      t,
      service.pushMessage("connector", "chat", 1, "room", { timeoutMs: 200 }, (...args) => calls.push(args)),
    );
    await eventually(() => calls.length > 0, 1000);

    t.is(error.code, "GC_PUSH_FAILED");
    t.true(error.temporary);
    const report = error.report as PushReport;
    t.deepEqual(totals(report), [3, 0, 0, 3, 0]);
    t.deepEqual(report.failIds.toSorted(), ["ann", "bob", "cid"]);
    t.deepEqual(calls, [[error, report.failIds]]);
  },
);

test.alone(
  "members who leave while their frontend hangs count all the same: they may have got it",
  async (t, stage) => {
    const service = await stage.service();
    const { second } = await twoFrontends(stage, service);
    await connect(service, "s2", second, ["dan", "eve"]);
    await service.addMany(membersAt("s2", "room", ["dan", "eve"]));
    const all = (await service.pushMessage("connector", "chat", 0, "room")).targeted;
    second.hang();

    const pushes = [["room"], ["room", "none"]].map((names) =>
      service.pushMessage("connector", "chat", 1, names, { timeoutMs: 400 }),
    );
    // Until the frontend has them.
    await eventually(() => second.isHolding, 300);
    await service.leaveMany(membersAt("s2", "room", ["dan", "eve"]));
    const [one, several] = await Promise.all(pushes);

    t.is(one!.targeted, all);
    t.is(one!.delivered + one!.unknown, all);
    t.is(one!.unlisted, 2);
    // At least as many as are members of both, and here none is.
    t.is(several!.unknown + several!.delivered, several!.targeted);
    second.resume();
  },
);

test("a callback is called once with the uids, wherever the options are left out or null", async (t, stage) => {
  const service = await stage.service();
  await twoFrontends(stage, service);
  await service.add("room", "gone", "s1");
  const calls: Record<string, unknown[][]> = {};
  const note =
    (style: string) =>
    (...args: unknown[]): void => {
      (calls[style] ??= []).push(args);
    };

  await service.pushMessage("connector", "chat", 1, "room", note("left out"));
  // Each push takes who is gone out of the channel, soon after.
  await eventually(async () => !(await service.isMember("room", "gone")), 3000);
  await service.pushMessage("connector", "chat", 1, "room", null, note("null"));
  await service.pushMessage("connector", "chat", 1, "room", undefined, note("undefined"));
  await service.pushMessage("connector", "chat", 1, "room", {}, note("given"));
  await service.pushToUsers("connector", "chat", 1, ["absent"], note("users"));
  await service.pushToUsers("connector", "chat", 1, ["absent"], null, note("users null"));
  await service.broadcast("connector", "chat", 1, note("broadcast"));
  await service.broadcast("connector", "chat", 1, null, note("broadcast null"));
  await service.pushMessage("connector", "chat", 1, "room", null);
  service.pushMessage("connector", "chat", undefined, "room", note("refused")).catch(() => {});
  service.pushMessage("connector", "chat", 1, "", note("bad name")).catch(() => {});
  await eventually(() => Object.keys(calls).length === 10, 3000);

  const { refused, "bad name": badName, ...good } = calls;
  t.deepEqual(good, {
    "left out": [[null, ["gone"]]],
    null: [[null, []]],
    undefined: [[null, []]],
    given: [[null, []]],
    users: [[null, ["absent"]]],
    "users null": [[null, ["absent"]]],
    broadcast: [[null, []]],
    "broadcast null": [[null, []]],
  });
  t.like(refused, [[{ code: "GC_MESSAGE_NOT_SERIALIZABLE" }]]);
  t.like(badName, [[{ code: "GC_INVALID_ARGUMENT" }]]);
  t.deepEqual([refused?.length, badName?.length], [1, 1]);
});

test("500 pushes without waiting arrive in the order of the calls", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);

  const reports = await Promise.all(numbers(500).map((n) => service.pushMessage("connector", "chat", n, "room")));

  t.true(reports.every(({ delivered }) => delivered === 3));
  for (const [clients, uid] of [
    [first, "ann"],
    [second, "cid"],
  ] as const) {
    t.deepEqual(messages(clients, uid), numbers(500));
  }
});

test("500 pushes keep their order where manager, registry and transport are asked one by one", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  const delayed = replacing(manager, {
    // Later reads come back sooner.
    getMemberSets: async (name) => {
      const sets = await manager.getMemberSets!(name);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
      return sets;
    },
  });
  const service = await stage.service({ cluster: { manager: delayed, registry, transport } });
  const { first, second } = await twoFrontends(stage, service);

  await Promise.all(numbers(500).map((n) => service.pushMessage("connector", "chat", n, "room")));

  t.deepEqual(messages(first, "ann"), numbers(500));
  t.deepEqual(messages(second, "cid"), numbers(500));
});

test("pushes keep their order where the frontend must first read its members", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager } = cluster;
  const listeners: ChangeListener[] = [];
  let reads = 0;
  const slow = replacing(manager, {
    watch: (sid, listener) => {
      listeners.push(listener);
      return manager.watch!(sid, listener);
    },
    readMemberSet: async (name, sid) => {
      reads++;
      await new Promise((resolve) => setTimeout(resolve, 30));
      return manager.readMemberSet!(name, sid);
    },
  });
  const { clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: slow } });
  const service = await stage.service();
  await connect(service, "s1", clients, ["ann"]);
  await service.addMany([...membersAt("s1", "room", ["ann"]), ...membersAt("s1", "hall", ["ann"])]);

  const pushes: Promise<PushReport>[] = [];
  for (const round of numbers(5)) {
    for (const listener of listeners) listener.gap?.();
    for (const n of numbers(20)) {
      pushes.push(
        service.pushMessage("connector", "chat", (round - 1) * 20 + n, n % 3 === 0 ? ["hall", "room"] : "room"),
      );
    }
    if (round % 2 === 0) await Promise.all(pushes);
  }
  const reports = await Promise.all(pushes);

  t.true(reads > 0);
  t.true(reports.every(({ delivered }) => delivered === 1));
  t.deepEqual(messages(clients, "ann"), numbers(100));
});

test("a push whose members are known does not overtake one that waits for other members", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager, transport } = cluster;
  const listeners: ChangeListener[] = [];
  const read: string[] = [];
  let goOn = (): void => {};
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const joined = new Set<string>();
  const slow = replacing(manager, {
    watch: (sid, listener) => {
      listeners.push(listener);
      return manager.watch!(sid, {
        change(change) {
          listener.change(change);
          joined.add(change.name);
        },
        gap: () => listener.gap?.(),
      });
    },
    readMemberSet: async (name, sid) => {
      if (name === "hall") await gate;
      const set = await manager.readMemberSet!(name, sid);
      read.push(name);
      return set;
    },
  });
  let arrived = 0;
  const counting = replacing(transport, {
    serve: (sid, handler) =>
      transport.serve(sid, (request) => {
        if (request.type === "push") arrived++;
        return handler(request);
      }),
  });
  const { clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: slow, transport: counting } });
  const service = await stage.service();
  await connect(service, "s1", clients, ["ann"]);
  await service.addMany([...membersAt("s1", "hall", ["ann"]), ...membersAt("s1", "room", ["ann"])]);
  // The frontend knows its members, and needs not read them.
  await eventually(() => joined.size === 2, 3000);
  t.is((await service.getChannels("ann")).length, 2);
  for (const listener of listeners) listener.gap?.();

  const first = service.pushMessage("connector", "chat", 1, ["hall", "room"]);
  await eventually(() => read.includes("room"), 3000);
  const second = service.pushMessage("connector", "chat", 2, "room");
  await Promise.race([second, eventually(() => arrived === 2, 3000)]);
  goOn();
  await Promise.all([first, second]);

  t.deepEqual(messages(clients, "ann"), [1, 2]);
});

test("a push called after an add has resolved reaches that member, whoever added it", async (t, stage) => {
  const [adder, pusher] = [await stage.service(), await stage.service()];
  const { clients } = await stage.frontend("s1");
  const missed: number[] = [];

  for (const n of numbers(200)) {
    const [uid, name] = [`user-${n}`, `room-${n % 10}`];
    clients.connect(uid);
    await adder.add(name, uid, "s1");
    const report = await pusher.pushMessage("connector", "chat", n, name);
    if (!messages(clients, uid).includes(n) || report.failed > 0) missed.push(n);
    if (n % 3 === 0) await adder.leave(name, uid, "s1");
  }

  t.deepEqual(missed, []);
});

test("a manager of four methods is enough for pushes and queries, and the rest is refused", async (t, stage) => {
  const store = new MemoryChannelManager();
  const manager: ChannelManager = {
    add: (name, uid, sid) => store.add(name, uid, sid),
    leave: (name, uid, sid) => store.leave(name, uid, sid),
    getMembersBySid: (name, sid) => store.getMembersBySid(name, sid),
    destroyChannel: (name) => store.destroyChannel(name),
  };
  const cluster = () => ({ ...stage.cluster(), manager });
  const service = await stage.service({ cluster: cluster() });
  const { clients: first } = await stage.frontend("s1", { cluster: cluster() });
  const { clients: second } = await stage.frontend("s2", { cluster: cluster() });
  for (const uid of ["ann", "bob"]) first.connect(uid);
  second.connect("cid");

  const members = [...membersAt("s1", "room", ["ann", "bob", "gone"]), ...membersAt("s2", "room", ["cid"])];
  t.is(await service.addMany([...members, ...membersAt("s1", "hall", ["ann"])]), 5);
  t.is(await service.addMany(members), 0);
  const report = await service.pushMessage("connector", "chat", 1, ["room", "hall"], { except: ["bob"] });
  t.deepEqual(totals(report), [3, 2, 1, 0, 0]);
  t.deepEqual(report.failIds, ["gone"]);
  t.deepEqual([messages(first, "ann"), messages(first, "bob"), messages(second, "cid")], [[1], [], [1]]);
  t.is((await service.broadcast("connector", "chat", 2)).delivered, 3);

  t.is(await service.count("room"), 4);
  t.is(await service.count("room", "other"), 0);
  t.true(await service.isMember("room", "cid"));
  t.false(await service.isMember("room", "dan"));
  const listed: string[] = [];
  for await (const { uid, sid } of service.members("room", { pageSize: 1 })) listed.push(`${uid}@${sid}`);
  t.deepEqual(listed.toSorted(), ["ann@s1", "bob@s1", "cid@s2", "gone@s1"]);
  t.is(await service.leaveMany(members), 4);

  for (const call of [
    () => service.getSids("ann"),
    () => service.getChannels("ann"),
    () => service.leaveAll("ann", "s1"),
    () => service.pushToUsers("connector", "chat", 1, ["ann"]),
  ]) {
    await t.throwsAsync(call(), { code: "GC_UNSUPPORTED" });
  }
});

test("a push whose members cannot be read rejects once", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  const refuse = () => Promise.reject(new Error("no reads today"));
  const unreadable = replacing(manager, { getMemberSets: refuse, getMembersBySid: refuse, getSessions: refuse });
  const service = await stage.service({ cluster: { manager: unreadable, registry, transport } });
  await stage.frontend("s1");
  await service.add("room", "ann", "s1");

  for (const push of [
    (callback: (...args: unknown[]) => void) => service.pushMessage("connector", "chat", 1, "room", callback),
    (callback: (...args: unknown[]) => void) => service.pushToUsers("connector", "chat", 1, ["ann"], callback),
  ]) {
    const calls: unknown[][] = [];
    const error = await failure(
      t,
      push((...args) => calls.push(args)),
    );
    await eventually(() => calls.length > 0, 1000);
    t.regex(error.message, /: no reads today$/);
    t.deepEqual(calls, [[error, undefined]]);
  }
});

test("a frontend that a transport of the user's own fails for is named in the report, with its members", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  const broken = replacing(transport, {
    request: (sid, request, options) =>
      sid === "s2" ? Promise.reject(new Error("cable cut")) : transport.request(sid, request, options),
  });
  const service = await stage.service({ cluster: { ...stage.cluster(), manager, registry, transport: broken } });
  const { first } = await twoFrontends(stage, service);

  for (const push of [
    () => service.pushMessage("connector", "chat", 1, "room"),
    () => service.pushToUsers("connector", "chat", 1, ["ann", "bob", "cid"]),
  ]) {
    const report = await push();
    // It may have been cut when the message was there already.
    t.deepEqual(totals(report), [3, 2, 0, 1, 0]);
    t.deepEqual(report.failIds, ["cid"]);
    const part = report.frontends.find(({ sid }) => sid === "s2");
    t.like(part?.error, { code: "GC_FRONTEND_ERROR", cause: { message: "cable cut" } });
  }
  t.deepEqual(messages(first, "ann"), [1, 1]);
});

test("more than maxPendingPushes at a time are refused with GC_OVERLOADED, and taken again after", async (t, stage) => {
  const service = await stage.service({ maxPendingPushes: 2 });
  const { first } = await twoFrontends(stage, service);
  first.hang();
  const push = (msg: number) => service.pushMessage("connector", "chat", msg, "room");

  const pending = [push(1), push(2)];
  const error = await failure(t, push(3));
  t.is(error.code, "GC_OVERLOADED");
  t.true(error.temporary);
  first.resume();
  await Promise.all(pending);

  t.is((await push(4)).delivered, 3);
  t.deepEqual(messages(first, "ann"), [1, 2, 4]);
});

test("a push to a great many channels is one copy for each user, and keeps its place among others", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  const names = numbers(300).map((n) => `hall-${n}`);
  await service.addMany(
    names.flatMap((name) => [...membersAt("s1", name, ["ann"]), ...membersAt("s2", name, ["cid"])]),
  );

  const reports = await Promise.all([
    service.pushMessage("connector", "chat", 1, "hall-7"),
    service.pushMessage("connector", "chat", 2, [...names, "room"]),
    service.pushMessage("connector", "chat", 3, "hall-7"),
    service.pushMessage("connector", "chat", 4, "room"),
    service.pushMessage("connector", "chat", 5, names, { ack: false }),
    service.pushMessage("connector", "chat", 6, "hall-299"),
  ]);

  t.deepEqual(
    reports.map(({ targeted, delivered }) => [targeted, delivered]).filter((_, index) => index !== 4),
    [
      [2, 2],
      [3, 3],
      [2, 2],
      [3, 3],
      [2, 2],
    ],
  );
  t.deepEqual(messages(first, "ann"), [1, 2, 3, 4, 5, 6]);
  t.deepEqual(messages(first, "bob"), [2, 4]);
  t.deepEqual(messages(second, "cid"), [1, 2, 3, 4, 5, 6]);
});

test.onRedisAlone(
  "a leave that is called after a push, in the same moment, does not come before it",
  async (t, stage) => {
    const service = await stage.service();
    const { first } = await twoFrontends(stage, service);

    await Promise.all([
      service.add("other", "bob", "s1"),
      service.pushMessage("connector", "chat", "goodbye", "room"),
      service.leave("room", "ann", "s1"),
    ]);

    t.deepEqual(messages(first, "ann"), ["goodbye"]);
  },
);

test("an answer that is none is the frontend's failure, and its members are unknown, and named", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  const mute = replacing(transport, {
    request: (sid, request, options) =>
      sid === "s2" ? Promise.resolve(undefined as never) : transport.request(sid, request, options),
  });
  const service = await stage.service({ cluster: { manager, registry, transport: mute } });
  await twoFrontends(stage, service);

  const report = await service.pushMessage("connector", "chat", 1, "room");

  t.deepEqual(totals(report), [3, 2, 0, 1, 0]);
  t.deepEqual(report.failIds, ["cid"]);
});
