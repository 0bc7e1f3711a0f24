import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { ChangeListener, Cluster } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { connect, membersAt, onEveryStage, replacing } from "../support/stage.js";

// Members whose user is gone, and members who are taken for gone: where the two are most easily mixed up.

const test = onEveryStage();

/** A cluster for one frontend that can be made deaf to changes, and is then told that it has missed some. */
function deafening(cluster: Cluster): { cluster: Cluster; deafen(): void; hearAgain(): void } {
  const { manager } = cluster;
  const listeners: ChangeListener[] = [];
  let isDeaf = false;
  const deaf = replacing(manager, {
    watch: (sid, listener) => {
      listeners.push(listener);
      return manager.watch!(sid, {
        change: (change) => {
          if (!isDeaf) listener.change(change);
        },
        gap: () => listener.gap?.(),
      });
    },
  });
  return {
    cluster: { ...cluster, manager: deaf },
    deafen: () => (isDeaf = true),
    hearAgain: () => {
      isDeaf = false;
      for (const listener of listeners) listener.gap?.();
    },
  };
}

test("a user who was added and closed its session while changes were missed does not stay a member", async (t, stage) => {
  const { cluster, deafen, hearAgain } = deafening(stage.cluster());
  const { clients } = await stage.frontend("s1", { cluster, leaseMs: 600 });
  const service = await stage.service();
  const events = await stage.events();
  for (const uid of ["ann", "bob"]) clients.connect(uid);
  await eventually(async () => (await service.getSids("bob")).length === 1, 3000);

  deafen();
  await service.addMany(membersAt("s1", "room", ["ann", "bob"]));
  clients.disconnect("ann");
  await eventually(async () => (await service.getSids("ann")).length === 0, 3000);
  hearAgain();

  await t.notThrowsAsync(eventually(async () => (await service.count("room")) === 1, 3000));
  t.deepEqual(await service.getMembersBySid("room", "s1"), ["bob"]);
  await t.notThrowsAsync(eventually(() => events.includes("leave ann@s1 room disconnect"), 3000));
  t.is(events.filter((event) => event.startsWith("leave")).length, 1);
});

test("a user who closed its session and opened one again while changes were missed stays a member", async (t, stage) => {
  const { cluster, deafen, hearAgain } = deafening(stage.cluster());
  const { clients } = await stage.frontend("s1", { cluster, leaseMs: 600 });
  const service = await stage.service();
  clients.connect("ann");

  deafen();
  clients.disconnect("ann");
  clients.connect("ann");
  await eventually(async () => (await service.getSids("ann")).length === 1, 3000);
  await service.add("room", "ann", "s1");
  hearAgain();
  await eventually(async () => (await service.getChannels("ann")).includes("room"), 3000);

  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);
  t.deepEqual(await service.getMembersBySid("room", "s1"), ["ann"]);
});

test("with autoLeave false a frontend that is started again does not bring back the members of its earlier life", async (t, stage) => {
  const { cluster, crash } = stage.crashing();
  const { clients } = await stage.frontend("s1", { cluster, autoLeave: false, leaseMs: 300 });
  const service = await stage.service({ autoLeave: false, graceMs: 60_000 });
  const events = await stage.events({ autoLeave: false, graceMs: 60_000 });
  await connect(service, "s1", clients, ["ann"]);
  await service.addMany(membersAt("s1", "room", ["ann", "bob"]));

  crash();
  await stage.frontend("s1", { autoLeave: false, leaseMs: 300 });
  await service.add("room", "cid", "s1");
  // Some renewals, with which it would bring back what it thinks is lost.
  await sleep(500);
  await eventually(() => events.includes("join cid@s1 room join"), 3000);

  t.deepEqual(await service.getMembersBySid("room", "s1"), ["cid"]);
  t.deepEqual(events.filter((event) => event.startsWith("leave")).toSorted(), [
    "leave ann@s1 room server-down",
    "leave bob@s1 room server-down",
  ]);
  t.false(events.some((event) => event.endsWith("restored")));
});

test.onRedisAlone("users who close while the subscriptions are cut leave no member behind", async (t, stage) => {
  const { clients } = await stage.frontend("s1", { leaseMs: 600 });
  const service = await stage.service();
  const admin = new Redis(stage.url!);
  t.teardown(() => admin.disconnect());
  const uids = numbers(10).map((n) => `user-${n}`);

  for (const uid of uids) {
    clients.connect(uid);
    await eventually(async () => (await service.getSids(uid)).length === 1, 3000);
    await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    await service.add("room", uid, "s1");
    clients.disconnect(uid);
    await eventually(async () => (await service.getSids(uid)).length === 0, 3000);
  }

  await t.notThrowsAsync(eventually(async () => (await service.count("room")) === 0, 5000));
});

test("who is added again while an asynchronous connector delivers is not taken for gone", async (t, stage) => {
  const { clients } = await stage.frontend("s1");
  const service = await stage.service();
  const events = await stage.events();
  await service.add("room", "ghost", "s1");
  clients.hang();

  const push = service.pushMessage("connector", "chat", 1, "room");
  // Until the push has reached the connector.
  await sleep(100);
  await service.add("room", "ghost", "s1");
  await service.add("room", "marker", "s1");
  await eventually(() => events.includes("join marker@s1 room join"), 3000);
  clients.resume();
  t.deepEqual((await push).failIds, ["ghost"]);

  // Repair is not waited for: what comes after it on the same way tells that it is over.
  clients.connect("probe");
  await eventually(async () => (await service.getSids("probe")).length === 1, 3000);
  t.deepEqual((await service.getMembersBySid("room", "s1")).toSorted(), ["ghost", "marker"]);
});

test("what a frontend leaves that fails in the middle of its end is cleaned up as that of a dead one, its sessions too", async (t, stage) => {
  const cluster = stage.cluster();
  let isBroken = false;
  const failing = replacing(cluster.manager, {
    evict: (frontend, reason) => {
      if (isBroken) throw new Error("killed");
      return cluster.manager.evict!(frontend, reason);
    },
  });
  const { frontend, clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: failing }, leaseMs: 300 });
  const service = await stage.service({ graceMs: 500, reapIntervalMs: 100 });
  const events = await stage.events({ graceMs: 60_000 });
  await connect(service, "s1", clients, ["ann", "bob"]);
  await service.add("room", "ann", "s1");

  isBroken = true;
  await t.throwsAsync(frontend.stop(), { message: /killed/ });
  await cluster.manager.start?.();
  t.teardown(() => cluster.manager.stop?.());

  t.is(await service.count("room"), 0, "no push or read is for it any more");
  await t.notThrowsAsync(eventually(() => events.includes("leave ann@s1 room server-down"), 3000));
  await t.notThrowsAsync(
    eventually(async () => (await cluster.manager.getSessions!(["ann", "bob"])).flat().length === 0, 3000),
  );
});

test("a frontend that cannot say that it stops, but then can, takes its members and sessions out all the same", async (t, stage) => {
  const cluster = stage.cluster();
  let failures = 0;
  let isStopping = false;
  const failing = replacing(cluster.registry, {
    register: (frontend, leaseMs) => {
      if (isStopping && failures++ === 0) throw new Error("cut off");
      return cluster.registry.register(frontend, leaseMs);
    },
  });
  const { frontend, clients } = await stage.frontend("s1", { cluster: { ...cluster, registry: failing } });
  const service = await stage.service({ graceMs: 60_000 });
  await connect(service, "s1", clients, ["ann", "bob"]);
  await service.add("room", "ann", "s1");

  isStopping = true;
  await t.throwsAsync(frontend.stop(), { message: /cut off/ });

  t.is(failures, 2);
  await cluster.manager.start?.();
  t.teardown(() => cluster.manager.stop?.());
  t.deepEqual(await cluster.manager.getMembersBySid("room", "s1"), []);
  t.deepEqual((await cluster.manager.getSessions!(["ann", "bob"])).flat(), []);
});
