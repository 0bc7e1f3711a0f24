import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { Redis } from "ioredis";
import type { ChangeGap, ChangeListener, Cluster } from "../../src/index.js";
import { FAREWELLS_MARK } from "../../src/redis/keys.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { skipTime } from "../support/skip-time.js";
import { connect, cuttable, membersAt, onEveryStage, replacing, type Stage } from "../support/stage.js";

// What comes back after a store has lost it, or a live frontend was taken for dead, and what must not. Found by chaos.

const test = onEveryStage();

/** A cluster for one frontend to which the way is long: its leaves take time to come there, and changes to come back, if they do. */
function farAway(cluster: Cluster) {
  const { manager } = cluster;
  const listeners: ChangeListener[] = [];
  let way = { ms: 0, isDeaf: false };
  const far = replacing(manager, {
    leaveMany: async (memberships, reason) => {
      if (way.ms > 0) await sleep(way.ms);
      return manager.leaveMany!(memberships, reason);
    },
    watch: (sid, listener) => {
      listeners.push(listener);
      return manager.watch!(sid, {
        ...listener,
        change: (change) => {
          if (way.ms === 0) listener.change(change);
          else if (!way.isDeaf) setTimeout(() => listener.change(change), way.ms);
        },
      });
    },
  });
  return {
    cluster: { ...cluster, manager: far },
    /** Returns what makes it near again; where changes were missed, it says so. @param how with a gap: so it does when that begins */
    far(how: { ms: number; isDeaf: boolean; gap?: ChangeGap }): () => void {
      way = how;
      if (how.gap) for (const listener of listeners) listener.interrupted?.(how.gap);
      return () => {
        way = { ms: 0, isDeaf: false };
        for (const listener of listeners) listener.gap?.(how.gap);
      };
    },
  };
}

/** Such a frontend, that knows of a session of ann and that she is a member of `room`. */
async function startFarAway(stage: Stage) {
  const { cluster, far } = farAway(stage.cluster());
  const { clients } = await stage.frontend("s1", { cluster });
  const service = await stage.service();
  const events = await stage.events();
  await connect(service, "s1", clients, ["ann"]);
  await service.add("room", "ann", "s1");
  await service.pushMessage("connector", "chat", 1, "room");
  return { clients, far, service, events };
}

/** A connection to the Redis itself. */
function connectAdmin(t: ExecutionContext, stage: Stage): Redis {
  const admin = new Redis(stage.url!);
  t.teardown(() => admin.disconnect());
  return admin;
}

/** Such a frontend, with three members of `room`, one of whom is taken out by somebody who takes it for dead, while it is cut off. */
async function cutOff(t: ExecutionContext, stage: Stage) {
  const { cluster, far } = farAway(stage.cluster());
  const { clients } = await stage.frontend("s1", { cluster, leaseMs: 600 });
  const service = await stage.service();
  const events = await stage.events();
  const uids = ["ann", "bob", "cid"];
  await connect(service, "s1", clients, uids);
  await service.addMany(membersAt("s1", "room", uids));
  const { manager } = stage.cluster();
  await manager.start?.();
  t.teardown(() => manager.stop?.());
  return {
    service,
    events,
    /** Resolves what makes it hear again. */
    cut: async () => {
      // It has heard of all that was before.
      await service.pushMessage("connector", "chat", 1, "room");
      const near = far({ ms: 1, isDeaf: true, gap: { mayHaveLost: true } });
      t.is(await manager.leaveMany!(membersAt("s1", "room", ["cid"]), "server-down"), 1);
      return near;
    },
  };
}

/** Returns what makes a Redis lose all that has changed since then, but for leases. */
async function remember(admin: Redis): Promise<() => Promise<void>> {
  const keysNow = async () => (await admin.keys("*")).filter((key) => !key.endsWith(":servers"));
  const dumps = await Promise.all((await keysNow()).map(async (key) => [key, await admin.dumpBuffer(key)] as const));
  return async () => {
    const transaction = admin.multi().del(await keysNow());
    for (const [key, dump] of dumps) transaction.restore(key, 0, dump);
    await transaction.exec();
  };
}

/** A Redis that has lost its data and a frontend that does not know yet: its lease is renewed seldom. */
const LEASE_MS = 3000;

/** Such a frontend, with users who are all members of `room` and of `hall`. */
async function startCrowd(t: ExecutionContext, stage: Stage) {
  const { clients } = await stage.frontend("s1", { leaseMs: LEASE_MS });
  const service = await stage.service();
  const admin = connectAdmin(t, stage);
  const uids = numbers(50).map((n) => `user-${n}`);
  await connect(service, "s1", clients, uids);
  for (const name of ["room", "hall"]) await service.addMany(membersAt("s1", name, uids));
  return { service, admin, uids };
}

test.onRedisAlone(
  "a leave that finds nothing, as the store has lost it, is not undone when that is restored",
  async (t, stage) => {
    const { service, admin, uids } = await startCrowd(t, stage);

    await admin.flushall();
    const [leaver, kicked] = uids;
    t.false(await service.leave("room", leaver!, "s1"));
    // Where the set is there again, though not all of its members.
    t.true(await service.add("hall", uids.at(-1)!, "s1"));
    t.false(await service.leave("hall", kicked!, "s1"));
    await eventually(async () => (await service.count("room")) === uids.length - 1, 5000);
    await eventually(async () => (await service.count("hall")) === uids.length - 1, 5000);

    t.false(await service.isMember("room", leaver!));
    t.false(await service.isMember("hall", kicked!));
    t.true(await service.isMember("hall", leaver!));
    // Whoever is added again is a member, whatever was before.
    t.true(await service.add("room", leaver!, "s1"));
    await sleep(LEASE_MS / 2);
    t.true(await service.isMember("room", leaver!));
  },
);

test.onRedisAlone("nor is one that comes while the members are being restored", async (t, stage) => {
  const shared = stage.cluster();
  const { manager } = shared;
  const { cluster, cut, mend } = cuttable(shared);
  let release: (() => void) | undefined;
  const slow = replacing(manager, {
    addMany: async (memberships, reason) => {
      if (reason === "restored") await new Promise<void>((resolve) => (release = resolve));
      return manager.addMany!(memberships, reason);
    },
  });
  const { frontend, clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: slow }, leaseMs: 300 });
  const service = await stage.service({ graceMs: 60_000 });
  await connect(service, "s1", clients, ["ann", "bob"]);
  await service.addMany(membersAt("s1", "room", ["ann", "bob"]));
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 2);
  cut();
  await eventually(async () => (await service.count("room")) === 0, 3000);
  await manager.start?.();
  t.teardown(() => manager.stop?.());
  t.is(await manager.evict!({ sid: "s1", incarnation: frontend.incarnation }, "server-down"), 2);

  mend();
  await eventually(() => release !== undefined, 3000);
  t.false(await service.leave("room", "ann", "s1"));
  release!();
  await eventually(() => service.isMember("room", "bob"), 3000);

  await t.notThrowsAsync(eventually(async () => !(await service.isMember("room", "ann")), 3000));
  await sleep(300);
  t.deepEqual(await service.getMembersBySid("room", "s1"), ["bob"]);
});

test.onRedisAlone(
  "nor is one that was missed while the subscriptions were cut, long before the loss",
  async (t, stage) => {
    const { clients } = await stage.frontend("s1", { leaseMs: 600 });
    const service = await stage.service();
    const admin = connectAdmin(t, stage);
    await connect(service, "s1", clients, ["ann", "bob"]);
    await service.addMany(membersAt("s1", "room", ["ann", "bob"]));

    // Until one is missed that the frontend learns of by reading.
    await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    t.true(await service.leave("room", "ann", "s1"));
    await eventually(async () => (await service.getChannels("ann")).length === 0, 3000);
    await sleep(600);
    await admin.flushall();
    await eventually(async () => (await service.count("room")) > 0, 5000);
    await sleep(600);

    t.deepEqual(await service.getMembersBySid("room", "s1"), ["bob"]);
  },
);

test.onRedisAlone(
  "a channel that is destroyed while the store has lost it does not come back, but for those who join it again",
  async (t, stage) => {
    const { service, admin, uids } = await startCrowd(t, stage);

    await admin.flushall();
    t.is(await service.destroyChannel("room"), 0);
    t.true(await service.add("room", uids[0]!, "s1"));
    await eventually(async () => (await service.count("hall")) === uids.length, 5000);

    await sleep(LEASE_MS / 2);
    t.deepEqual(await service.getMembersBySid("room", "s1"), [uids[0]!]);
    t.deepEqual(await service.getChannels(uids[1]!), ["hall"]);

    // Nor when the store loses what it knows of that, too.
    await admin.flushall();
    await eventually(async () => (await service.count("hall")) === uids.length, 5000);
    await sleep(LEASE_MS / 2);
    t.deepEqual(await service.getMembersBySid("room", "s1"), [uids[0]!]);
  },
);

test.onRedisAlone(
  "a channel that is destroyed while its frontend is taken for dead does not come back with that",
  async (t, stage) => {
    const { cluster, cut, mend } = cuttable(stage.cluster());
    const { manager } = stage.cluster();
    const { frontend, clients } = await stage.frontend("s1", { cluster, leaseMs: 300 });
    const service = await stage.service({ graceMs: 60_000 });
    await connect(service, "s1", clients, ["ann", "bob"]);
    for (const name of ["room", "hall"]) await service.addMany(membersAt("s1", name, ["ann", "bob"]));
    t.is((await service.pushMessage("connector", "chat", 1, ["room", "hall"])).delivered, 2);
    cut();
    await eventually(async () => (await service.count("room")) === 0, 3000);
    await manager.start?.();
    t.teardown(() => manager.stop?.());
    t.is(await manager.evict!({ sid: "s1", incarnation: frontend.incarnation }, "server-down"), 4);

    t.is(await service.destroyChannel("room"), 0);
    t.true(await service.add("room", "bob", "s1"));
    mend();
    await eventually(async () => (await service.count("hall")) === 2, 3000);

    await sleep(300);
    t.deepEqual(await service.getMembersBySid("room", "s1"), ["bob"]);
  },
);

test.onRedisAlone(
  "a leave that is missed soon after one that was heard is not undone with what is lost",
  async (t, stage) => {
    const { service, events, cut } = await cutOff(t, stage);
    t.true(await service.leave("room", "ann", "s1"));
    t.true(await service.add("room", "ann", "s1"));

    const near = await cut();
    t.true(await service.leave("room", "ann", "s1"));
    near();
    await service.pushMessage("connector", "chat", 2, "room");
    await eventually(() => events.includes("join cid@s1 room restored"), 3000);

    t.deepEqual((await service.getMembersBySid("room", "s1")).toSorted(), ["bob", "cid"]);
  },
);

test.onRedisAlone(
  "a frontend that was cut off for longer than it is kept who has left brings nobody back",
  async (t, stage) => {
    const admin = connectAdmin(t, stage);
    const { service, events, cut } = await cutOff(t, stage);

    const near = await cut();
    t.true(await service.leave("room", "ann", "s1"));
    // As a minute has passed.
    const notes = (await admin.keys("*")).filter((key) => key.endsWith(`{room${FAREWELLS_MARK}`));
    t.true((await admin.del(notes)) > 0);
    skipTime(t, 60_000);
    near();
    await eventually(async () => (await service.pushMessage("connector", "chat", 2, "room")).delivered === 1, 3000);
    // Some renewals.
    await sleep(800);

    t.deepEqual(await service.getMembersBySid("room", "s1"), ["bob"]);
    t.false(events.some((event) => event.endsWith("restored")));
  },
);

for (const [what, failures, outcome] of [
  ["fails at first", 1, () => Promise.reject(new Error("cut off"))],
  ["comes too late 20 times, as others change the channel", 20, () => 0],
] as const) {
  test.onRedisAlone(
    `who has left, and is back as the store has lost that, leaves again, also where that ${what}`,
    async (t, stage) => {
      const cluster = stage.cluster();
      const { manager } = cluster;
      let calls = 0;
      const failing = replacing(manager, {
        leaveIfUnchanged: (...args) => (++calls > failures ? manager.leaveIfUnchanged!(...args) : outcome()),
      });
      const { clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: failing }, leaseMs: 600 });
      const service = await stage.service();
      const admin = connectAdmin(t, stage);
      await connect(service, "s1", clients, ["ann", "bob"]);
      await service.addMany(membersAt("s1", "room", ["ann", "bob"]));
      const lose = await remember(admin);
      t.true(await service.leave("room", "ann", "s1"));
      // It has heard of that.
      t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);

      await lose();
      t.true(await service.isMember("room", "ann"));
      await admin.call("CLIENT", "KILL", "TYPE", "pubsub");

      await t.notThrowsAsync(eventually(async () => !(await service.isMember("room", "ann")), 5000));
      t.true(calls > failures);
      t.deepEqual(await service.getMembersBySid("room", "s1"), ["bob"]);
    },
  );
}

test("a frontend that returns while its members are being removed has all of them again", async (t, stage) => {
  const shared = stage.cluster();
  const { cluster, cut, mend } = cuttable(shared);
  let evict = (): void => {};
  const hasBegun = { value: false };
  const slow = replacing(shared.manager, {
    evict: async (frontend, reason) => {
      if (reason === "server-down" && frontend.sid === "s1" && frontend.incarnation !== "") {
        hasBegun.value = true;
        await new Promise<void>((resolve) => (evict = resolve));
      }
      return shared.manager.evict!(frontend, reason);
    },
  });
  const { clients } = await stage.frontend("s1", { cluster, leaseMs: 300 });
  const service = await stage.service({ cluster: { ...shared, manager: slow }, graceMs: 200, reapIntervalMs: 50 });
  await connect(service, "s1", clients, ["ann", "bob"]);
  await service.addMany(membersAt("s1", "room", ["ann", "bob"]));

  cut();
  await eventually(() => hasBegun.value, 5000);
  mend();
  await eventually(async () => (await service.count("room")) === 2, 3000);
  evict();

  const delivered = async () => (await service.pushMessage("connector", "chat", 1, "room")).delivered;
  await t.notThrowsAsync(eventually(async () => (await delivered()) === 2, 3000));
  await t.notThrowsAsync(eventually(async () => (await service.getSids("ann")).length === 1, 3000));
});

test("who opens a session again while the leave of the last one is on its way stays a member", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager } = cluster;
  let isLate = false;
  const late = replacing(manager, {
    leaveMany: async (memberships, reason) => {
      if (isLate) await sleep(200);
      return manager.leaveMany!(memberships, reason);
    },
  });
  const { clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: late }, leaseMs: 600 });
  const service = await stage.service();
  const events = await stage.events();
  await connect(service, "s1", clients, ["ann"]);
  await service.add("room", "ann", "s1");
  // The frontend knows of it then.
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);

  isLate = true;
  clients.disconnect("ann");
  clients.connect("ann");
  t.false(await service.add("room", "ann", "s1"));
  await eventually(() => events.includes("leave ann@s1 room disconnect"), 3000);

  await eventually(() => events.includes("join ann@s1 room restored"), 3000);
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);
});

test("nor is a member lost of whom it is not known whether it has left, once it has a session again", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager } = cluster;
  let fails = false;
  const failing = replacing(manager, {
    leaveMany: async (memberships, reason) => {
      const isLost = fails;
      const left = await manager.leaveMany!(memberships, reason);
      if (isLost) throw new Error("the answer is lost");
      return left;
    },
    watch: (sid, listener) =>
      manager.watch!(sid, {
        ...listener,
        change: (change) => {
          if (!fails) listener.change(change);
        },
      }),
  });
  const { clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: failing }, leaseMs: 600 });
  const service = await stage.service();
  await connect(service, "s1", clients, ["ann"]);
  await service.add("room", "ann", "s1");
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);

  fails = true;
  clients.disconnect("ann");
  await eventually(async () => (await service.count("room")) === 0, 3000);
  clients.connect("ann");

  await t.notThrowsAsync(eventually(async () => (await service.count("room")) === 1, 3000));
  fails = false;
  clients.disconnect("ann");
  await t.notThrowsAsync(eventually(async () => (await service.count("room")) === 0, 3000));
});

test.onRedisAlone(
  "a frontend that was replaced, and does not know yet, says nothing of the users of the one in its place",
  async (t, stage) => {
    const { cluster, cut } = cuttable(stage.cluster());
    const { clients: former } = await stage.frontend("s1", { cluster, leaseMs: 300 });
    const service = await stage.service();
    await connect(service, "s1", former, ["ann", "bob"]);
    await service.addMany(membersAt("s1", "room", ["ann", "bob"]));

    cut();
    const { clients } = await stage.frontend("s1", { leaseMs: 300 });
    const events = await stage.events();
    // Those of whom it knows that they have gone, and those of whom it does not.
    former.disconnect("ann");
    await connect(service, "s1", clients, ["ann", "bob"]);
    t.is(await service.addMany(membersAt("s1", "room", ["ann", "bob"])), 2);
    former.disconnect("bob");
    for (const n of numbers(50)) {
      t.like(await service.pushMessage("connector", "chat", n, "room"), { delivered: 2, failed: 0, unknown: 0 });
    }
    t.deepEqual(await service.getChannels("ann"), ["room"]);

    t.deepEqual(events.toSorted(), ["join ann@s1 room join", "join bob@s1 room join"]);
    t.deepEqual(former.received("bob"), []);
    t.is(clients.received("bob").length, 50);
  },
);

test("who is added again, after a leave that found nothing, while the lease is not valid comes back with the frontend", async (t, stage) => {
  const shared = stage.cluster();
  const { cluster, cut, mend } = cuttable(shared);
  const { frontend, clients } = await stage.frontend("s1", { cluster, leaseMs: 300 });
  const service = await stage.service({ graceMs: 60_000 });
  const events = await stage.events({ graceMs: 60_000 });
  await connect(service, "s1", clients, ["ann"]);
  await service.add("hall", "ann", "s1");
  cut();
  await eventually(async () => (await service.count("hall")) === 0, 3000);

  t.false(await service.leave("room", "ann", "s1"));
  t.true(await service.add("room", "ann", "s1"));
  await shared.manager.start?.();
  t.teardown(() => shared.manager.stop?.());
  t.is(await shared.manager.evict!({ sid: "s1", incarnation: frontend.incarnation }, "server-down"), 2);
  mend();
  await eventually(() => events.includes("join ann@s1 room restored"), 3000);
  await sleep(300);

  t.true(await service.isMember("room", "ann"));
});

test("a leave that comes after a member was restored is not undone by the next renewal", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager } = cluster;
  let isSlow = false;
  /** The way to the store and back takes longer than the time between two renewals. */
  const slow = replacing(manager, {
    addMany: async (memberships, reason) => {
      const added = await manager.addMany!(memberships, reason);
      if (reason === "restored") await sleep(400);
      return added;
    },
    watch: (sid, listener) =>
      manager.watch!(sid, {
        ...listener,
        change: (change) => {
          if (isSlow) setTimeout(() => listener.change(change), 400);
          else listener.change(change);
        },
      }),
  });
  const { clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: slow }, leaseMs: 300 });
  const service = await stage.service();
  const events = await stage.events();
  await connect(service, "s1", clients, ["ann"]);
  await service.add("room", "ann", "s1");
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);

  isSlow = true;
  // A leave that was on its way for long.
  await manager.start?.();
  t.teardown(() => manager.stop?.());
  t.is(await manager.leaveMany!([{ name: "room", uid: "ann", sid: "s1" }], "disconnect"), 1);
  await eventually(() => events.includes("join ann@s1 room restored"), 3000);
  t.true(await service.leave("room", "ann", "s1"));
  await sleep(1500);

  t.false(await service.isMember("room", "ann"));
});

test("who is back before its leave is done, and of whose leave the frontend never hears, stays a member", async (t, stage) => {
  const { clients, far, service, events } = await startFarAway(stage);

  const near = far({ ms: 200, isDeaf: true });
  clients.disconnect("ann");
  clients.connect("ann");
  await eventually(() => events.includes("leave ann@s1 room disconnect"), 3000);
  near();

  await t.notThrowsAsync(eventually(() => events.includes("join ann@s1 room restored"), 3000));
  t.true(await service.isMember("room", "ann"));
});

test("who is back before its leave is done is brought back once: a leave after that is not undone", async (t, stage) => {
  const { clients, far, service, events } = await startFarAway(stage);

  far({ ms: 300, isDeaf: false });
  clients.disconnect("ann");
  clients.connect("ann");
  await eventually(() => events.includes("join ann@s1 room restored"), 3000);
  t.true(await service.leave("room", "ann", "s1"));
  await sleep(1500);

  t.false(await service.isMember("room", "ann"));
  t.is(events.filter((event) => event.endsWith("restored")).length, 1);
});

test("who comes back while it is not known whether the lease is held is told of once it is", async (t, stage) => {
  const cluster = stage.cluster();
  const { manager, registry } = cluster;
  let isFar = false;
  const parts = {
    manager: replacing(manager, {
      disconnect: async (uid, sid, incarnation) => {
        await manager.disconnect!(uid, sid, incarnation);
        await sleep(500);
      },
    }),
    registry: replacing(registry, {
      renew: async (info, leaseMs) => {
        const state = await registry.renew(info, leaseMs);
        if (isFar) throw new Error("the answer is lost");
        return state;
      },
    }),
  };
  const { clients } = await stage.frontend("s1", { cluster: { ...cluster, ...parts }, leaseMs: 300 });
  const service = await stage.service();
  await connect(service, "s1", clients, ["ann"]);

  isFar = true;
  clients.disconnect("ann");
  await sleep(350);
  clients.connect("ann");
  await sleep(300);
  isFar = false;

  await t.notThrowsAsync(eventually(async () => (await service.getSids("ann")).includes("s1"), 3000));
});

test.onRedisAlone(
  "nor is one of whom nobody can hear, and who joins again after it is no less a member",
  async (t, stage) => {
    const cluster = stage.cluster();
    const { manager } = cluster;
    let isDeaf = false;
    const deaf = replacing(manager, {
      watch: (sid, listener) =>
        manager.watch!(sid, {
          change: (change) => {
            if (!isDeaf) listener.change(change);
          },
          absent: (name, uids) => {
            if (!isDeaf) listener.absent?.(name, uids);
          },
          gap: () => listener.gap?.(),
        }),
    });
    const { clients } = await stage.frontend("s1", { cluster: { ...cluster, manager: deaf }, leaseMs: LEASE_MS });
    const service = await stage.service();
    const events = await stage.events();
    await connect(service, "s1", clients, ["ann", "bob"]);
    await service.addMany(membersAt("s1", "room", ["ann", "bob"]));
    t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 2);

    isDeaf = true;
    await manager.start?.();
    t.teardown(() => manager.stop?.());
    t.true(await service.leave("room", "ann", "s1"));
    t.is(await manager.addMany!(membersAt("s1", "room", ["ann"]), "restored"), 0);
    t.false(await service.leave("room", "ann", "s1"));
    t.is(await manager.addMany!(membersAt("s1", "room", ["ann"]), "restored"), 0);

    isDeaf = false;
    t.true(await service.add("room", "ann", "s1"));
    t.is(await manager.leaveMany!(membersAt("s1", "room", ["ann"]), "disconnect"), 1);
    await t.notThrowsAsync(eventually(() => events.includes("join ann@s1 room restored"), 3000));
  },
);

test("what an earlier incarnation has restored late, when another one has its place, does not stay", async (t, stage) => {
  const { manager } = stage.cluster();
  const { clients } = await stage.frontend("s1");
  const service = await stage.service();
  await connect(service, "s1", clients, ["ann"]);
  await manager.start?.();
  t.teardown(() => manager.stop?.());

  t.is(await manager.addMany!(membersAt("s1", "room", ["ann", "bob"]), "restored"), 2);

  await t.notThrowsAsync(eventually(async () => !(await service.isMember("room", "bob")), 3000));
  t.true(await service.isMember("room", "ann"));
});
