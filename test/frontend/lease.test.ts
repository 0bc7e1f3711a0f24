import { setTimeout as sleep } from "node:timers/promises";
import { eventually, numbers } from "../cluster/cluster.js";
import type { GlobalChannelError } from "../../src/index.js";
import { connect, cuttable, errorsOf, membersAt, onEveryStage, replacing } from "../support/stage.js";

// The lease of a frontend: kept while it lives, waited for when it died, and what comes back with it.

const test = onEveryStage();

test.alone("a frontend stays live while it takes long to register its members again", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager, registry } = cluster;
  const slow = replacing(manager, {
    addMany: async (memberships, reason) => {
      await sleep(300);
      return manager.addMany!(memberships, reason);
    },
  });
  const { frontend, clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: slow }, leaseMs: 600 });
  const service = await stage.service();
  const uids = numbers(5000).map(String);
  await connect(service, "s1", clients, uids);
  await service.addMany(membersAt("s1", "room", uids));
  // The frontend knows them all once it answers for the last change.
  await service.add("hall", "1", "s1");
  const known = async () =>
    (await cluster.transport.request("s1", { type: "channels", uid: "1" }, { timeoutMs: 1000 })).names.length;
  await eventually(async () => (await known()) === 2, 3000);
  t.is(await service.leaveAll("1", "s1"), 2);
  await eventually(async () => (await known()) === 0, 3000);
  const isListed = async () => (await service.getMembersBySid("room", "s1")).length;

  // What a store that restarts empty does.
  await service.destroyChannel("none");
  await registry.unregister({ sid: "s1", incarnation: frontend.incarnation });
  await manager.clean!();
  await eventually(async () => (await isListed()) > 0, 3000);
  let dead = 0;
  await eventually(async () => {
    const live = await registry.list();
    if (live.length === 0) dead++;
    return (await isListed()) === 4999;
  }, 10_000);

  t.is(dead, 0);
});

test("the sessions of a frontend that was taken for dead come back too, whenever it returns", async (t, stage) => {
  const shared = stage.cluster();
  const { cluster, cut, mend } = cuttable(shared);
  const { frontend, clients } = await stage.frontend("s1", { cluster, leaseMs: 300 });
  const service = await stage.service({ graceMs: 60_000 });
  const events = await stage.events({ graceMs: 60_000 });
  clients.connect("ann");
  await eventually(async () => (await service.getSids("ann")).length === 1, 3000);
  await service.add("room", "ann", "s1");

  cut();
  await eventually(async () => (await service.count("room")) === 0, 3000);
  // A reaper's first step. Before the second, which is to forget the lease, the frontend is back.
  await shared.manager.start?.();
  t.teardown(() => shared.manager.stop?.());
  t.is(await shared.manager.evict!({ sid: "s1", incarnation: frontend.incarnation }, "server-down"), 1);
  mend();
  await eventually(() => events.includes("join ann@s1 room restored"), 3000);

  await t.notThrowsAsync(eventually(async () => (await service.getSids("ann")).includes("s1"), 3000));
  t.is((await service.pushToUsers("connector", "chat", 1, ["ann"])).delivered, 1);
});

test("an answer that comes later than what it grants holds no lease: who has the sid since is left alone", async (t, stage) => {
  const cluster = stage.cluster();
  const { registry } = cluster;
  let isFar = false;
  const late = replacing(registry, {
    renew: async (info, leaseMs) => {
      const state = await registry.renew(info, leaseMs);
      if (isFar) await sleep(800);
      return state;
    },
  });
  const { frontend, clients } = await stage.frontend("s1", { cluster: { ...cluster, registry: late }, leaseMs: 300 });
  const errors = errorsOf(t, frontend) as GlobalChannelError[];
  const service = await stage.service();
  const events = await stage.events();
  await connect(service, "s1", clients, ["ann"]);
  await service.add("room", "ann", "s1");
  await eventually(() => events.length > 0, 3000);

  isFar = true;
  const next = stage.newFrontend("s1", { leaseMs: 300 });
  // It waits for the lease of the first one, which a renewal may have made longer.
  await eventually(
    () =>
      next.frontend.start().then(
        () => true,
        () => false,
      ),
    3000,
  );
  await eventually(() => errors.some(({ code }) => code === "GC_SID_TAKEN"), 3000);

  t.deepEqual(events, ["join ann@s1 room join", "leave ann@s1 room server-down"]);
  t.deepEqual(await service.getMembersBySid("room", "s1"), []);
});

test("that the lease was missing is not forgotten where its answer comes too late", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager, registry } = cluster;
  let lateMs = 0;
  let fails = false;
  const late = replacing(registry, {
    renew: async (info, leaseMs) => {
      if (fails) throw new Error("out of reach");
      const state = await registry.renew(info, leaseMs);
      await sleep(lateMs);
      return state;
    },
  });
  const { frontend, clients } = await stage.frontend("s1", { cluster: { ...cluster, registry: late }, leaseMs: 300 });
  const service = await stage.service({ graceMs: 60_000 });
  await connect(service, "s1", clients, ["ann"]);
  await service.add("room", "ann", "s1");
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);

  lateMs = 400;
  await sleep(300);
  await registry.unregister({ sid: "s1", incarnation: frontend.incarnation });
  await manager.clean!();
  await sleep(500);
  // The answer that says so has come, and the next ones do not.
  fails = true;
  await sleep(500);
  lateMs = 0;
  fails = false;

  await t.notThrowsAsync(eventually(() => service.isMember("room", "ann"), 3000));
});
