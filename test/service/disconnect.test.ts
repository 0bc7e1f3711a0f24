import type { GlobalChannelError, PushReport } from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { connect, onEveryStage, replacing } from "../support/stage.js";
import { totals, twoFrontends } from "../support/two-frontends.js";

// Users whose sessions a backend closes, wherever they are.

const test = onEveryStage();

test("every session of the users is closed at every frontend, and they leave their channels", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  await connect(service, "s1", first, ["ann"]);
  await connect(service, "s2", second, ["ann"]);

  const report = await service.disconnectUsers("connector", ["ann", "cid", "absent", "ann"]);

  t.deepEqual(totals(report), [4, 3, 1, 0, 0]);
  t.deepEqual(report.failIds, ["absent"]);
  await eventually(async () => (await service.getSids("ann")).length === 0, 3000);
  await eventually(async () => (await service.getMembersByChannelName("connector", "room")).join() === "bob", 3000);
  t.deepEqual(totals(await service.pushToUsers("connector", "chat", 1, ["ann", "bob"])), [2, 1, 1, 0, 0]);
  t.deepEqual(totals(await service.disconnectUsers("gate", ["bob"])), [1, 0, 1, 0, 0]);
});

test("what was pushed before comes before", async (t, stage) => {
  const service = await stage.service();
  const { first } = await twoFrontends(stage, service);
  first.hang();

  const push = service.pushToUsers("connector", "chat", 1, ["ann"]);
  await eventually(() => first.isHolding, 3000);
  const disconnect = service.disconnectUsers("connector", ["ann"]);
  await eventually(() => first.holding === 2, 3000);
  first.resume();

  t.is((await push).delivered, 1);
  t.is((await disconnect).delivered, 1);
  t.deepEqual(first.received("ann"), [{ route: "chat", msg: 1 }]);
});

test("pushes to users and to everyone that were called before come before, also where nobody waits", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);

  const calls = [
    service.pushToUsers("connector", "chat", 1, ["ann", "cid"]),
    service.broadcast("connector", "chat", 2),
    service.disconnectUsers("connector", ["ann", "cid"]),
  ];

  for (const report of await Promise.all(calls)) t.is(report.failed, 0);
  for (const [clients, uid] of [
    [first, "ann"],
    [second, "cid"],
  ] as const) {
    t.deepEqual(clients.received(uid), [
      { route: "chat", msg: 1 },
      { route: "chat", msg: 2 },
    ]);
  }
});

test("a call whose time is over before its turn harms nothing", async (t, stage) => {
  const cluster = stage.cluster();
  let isSlow = false;
  const manager = replacing(cluster.manager, {
    getSessions: async (uids) => {
      if (isSlow) {
        isSlow = false;
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      return cluster.manager.getSessions!(uids);
    },
  });
  const service = await stage.service({ cluster: { ...cluster, manager } });
  await twoFrontends(stage, service);

  isSlow = true;
  const slow = service.disconnectUsers("connector", ["ann"]);
  const late = service.disconnectUsers("connector", ["bob"], { timeoutMs: 50 });

  await t.throwsAsync(late, { code: "GC_TIMEOUT" });
  t.is((await slow).delivered, 1);
  // What it was refused with is nobody's unhandled rejection.
  await new Promise((resolve) => setTimeout(resolve, 50));
});

test("a callback gets the report", async (t, stage) => {
  const service = await stage.service();
  await twoFrontends(stage, service);
  const calls: unknown[][] = [];

  const report = await service.disconnectUsers("connector", ["ann"], (...args) => calls.push(args));

  await eventually(() => calls.length === 1, 3000);
  t.deepEqual(calls, [[null, report]]);
});

test("a connector that cannot disconnect says so", async (t, stage) => {
  const service = await stage.service();
  const { first } = await twoFrontends(stage, service);
  Object.assign(first, { disconnectUsers: undefined });

  const error = (await t.throwsAsync(service.disconnectUsers("connector", ["ann"]))) as GlobalChannelError;

  t.is(error.code, "GC_PUSH_FAILED");
  t.regex(error.message, /connector cannot disconnect/);
  t.deepEqual(totals(error.report as PushReport), [1, 0, 1, 0, 0]);
  const some = await service.disconnectUsers("connector", ["ann", "cid"]);
  t.deepEqual(totals(some), [2, 1, 1, 0, 0]);
  t.deepEqual(some.failIds, ["ann"]);
});

test("users of whom the connector does not know it are unknown, and named", async (t, stage) => {
  const service = await stage.service();
  const { first } = await twoFrontends(stage, service);
  Object.assign(first, {
    deliver: async (uids: ReadonlySet<string>) => ({
      failed: [...uids].filter((uid) => uid === "eve"),
      unknown: [...uids].filter((uid) => uid === "bob"),
    }),
    deliverToAll: async () => ({ delivered: 1, unknown: ["bob"] }),
  });
  await service.add("room", "eve", "s1");
  const calls: unknown[][] = [];

  const report = await service.pushMessage("connector", "chat", 1, "room", {}, (...args) => calls.push(args));
  const toAll = await service.broadcast("connector", "chat", 2);

  t.deepEqual(totals(report), [4, 2, 1, 1, 0]);
  t.deepEqual(report.failIds.toSorted(), ["bob", "eve"]);
  t.like(
    report.frontends.find(({ sid }) => sid === "s1"),
    { targeted: 3, delivered: 1, failed: 1, unknown: 1 },
  );
  t.deepEqual(totals(toAll), [3, 2, 0, 1, 0]);
  t.deepEqual(toAll.failIds, ["bob"]);
  await eventually(() => calls.length === 1, 3000);
  t.deepEqual(calls, [[null, report.failIds]]);
  // Only who has no session is taken out.
  await eventually(async () => (await service.count("room")) === 3, 3000);
  t.deepEqual((await service.getMembersBySid("room", "s1")).toSorted(), ["ann", "bob"]);
});

test("a frontend that does not answer makes them unknown", async (t, stage) => {
  const cluster = stage.cluster();
  const transport = replacing(cluster.transport, {
    request: (sid, request, options) =>
      request.type === "disconnect" && sid === "s1"
        ? new Promise(() => {})
        : cluster.transport.request(sid, request, options),
  });
  const service = await stage.service({ cluster: { ...cluster, transport } });
  await twoFrontends(stage, service);

  const report = await service.disconnectUsers("connector", ["ann", "cid"], { timeoutMs: 200 });

  t.deepEqual(totals(report), [2, 1, 0, 1, 0]);
  t.deepEqual(report.failIds, ["ann"]);
});
