import { Redis } from "ioredis";
import type { Cluster, MemberSetInfo, RpcTransport } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { connect, membersAt, onEveryStage, replacing, type Stage } from "../support/stage.js";

// Pushes that name their users, because the transport leads to frontends that know no channels.

const test = onEveryStage();

/** A service that can only name users, and what it has read for that. */
async function start(stage: Stage, options: { autoLeave?: boolean } = {}) {
  const cluster = stage.cluster();
  const reads: { sets: MemberSetInfo[][]; lists: string[] } = { sets: [], lists: [] };
  const manager = replacing(cluster.manager, {
    async getMemberSets(name, copies) {
      const sets = await cluster.manager.getMemberSets!(name, copies);
      reads.sets.push(sets);
      return sets;
    },
    readMemberSet(name, sid) {
      reads.lists.push(sid);
      return cluster.manager.readMemberSet!(name, sid);
    },
  });
  const pushes: { sid: string; target: unknown }[] = [];
  const transport: RpcTransport = replacing(cluster.transport, {
    limits: { uidsOnly: true },
    request(sid, request, requestOptions) {
      if (request.type === "push") pushes.push({ sid, target: request.target });
      return cluster.transport.request(sid, request, requestOptions);
    },
  });
  const limited: Cluster = { ...cluster, manager, transport };
  const service = await stage.service({ cluster: limited, ...options });
  return { service, reads, pushes };
}

test("the members are named, and an unchanged channel is listed once", async (t, stage) => {
  const { service, reads, pushes } = await start(stage);
  const { clients } = await stage.frontend("s1");
  await connect(service, "s1", clients, ["ann", "bob"]);
  await service.addMany(membersAt("s1", "room", ["ann", "bob"]));

  for (const n of numbers(3)) t.like(await service.pushMessage("connector", "chat", n, "room"), { delivered: 2 });

  for (const { target } of pushes) t.deepEqual(Object.keys(target as object), ["uids"]);
  t.deepEqual(
    reads.sets.map((sets) => sets.map(({ uids }) => uids?.length)),
    [[2], [undefined], [undefined]],
  );
  t.deepEqual(reads.lists, []);
  t.deepEqual(
    clients.received("ann").map(({ msg }) => msg),
    [1, 2, 3],
  );
});

test("only the set that has changed is listed again, and whoever was added gets the next push", async (t, stage) => {
  const { service, reads } = await start(stage);
  const frontends = [await stage.frontend("s1"), await stage.frontend("s2")] as const;
  await connect(service, "s1", frontends[0].clients, ["ann", "bob"]);
  await connect(service, "s2", frontends[1].clients, ["eve"]);
  await service.add("room", "ann", "s1");
  await service.add("room", "eve", "s2");
  await service.pushMessage("connector", "chat", 1, "room");

  await service.add("room", "bob", "s1");
  t.like(await service.pushMessage("connector", "chat", 2, "room"), { delivered: 3 });
  await service.leave("room", "ann", "s1");
  t.like(await service.pushMessage("connector", "chat", 3, "room"), { delivered: 2 });

  const listed = reads.sets.map((sets) => sets.filter(({ uids }) => uids).map(({ sid }) => sid));
  t.deepEqual([listed[0]!.toSorted(), ...listed.slice(1)], [["s1", "s2"], ["s1"], ["s1"]]);
  t.is(frontends[0].clients.received("ann").length, 2);
});

test("pushes of one tick read a channel once, keep their order, and leave out who is excepted", async (t, stage) => {
  const { service, reads } = await start(stage);
  const { clients } = await stage.frontend("s1");
  await connect(service, "s1", clients, ["ann", "bob"]);
  await service.addMany([...membersAt("s1", "room", ["ann", "bob"]), ...membersAt("s1", "hall", ["bob"])]);

  const reports = await Promise.all(
    numbers(20).map((n) => service.pushMessage("connector", "chat", n, "room", { except: ["ann"] })),
  );
  t.like(await service.pushMessage("connector", "chat", 21, ["room", "hall"]), { targeted: 2, delivered: 2 });

  t.true(reports.every(({ delivered, targeted }) => delivered === 1 && targeted === 1));
  t.is(reads.sets.length, 3);
  t.deepEqual(
    clients.received("bob").map(({ msg }) => msg),
    numbers(21),
  );
  t.is(clients.received("ann").length, 1);
});

test("a set that is too large to come along is read apart", async (t, stage) => {
  const { service, reads } = await start(stage);
  const { clients } = await stage.frontend("s1");
  await connect(service, "s1", clients, ["ann"]);
  await service.addMany(membersAt("s1", "room", ["ann", ...numbers(10_000).map((n) => `absent-${n}`)]));

  const report = await service.pushMessage("connector", "chat", 1, "room");

  t.like(report, { targeted: 10_001, delivered: 1, failed: 10_000 });
  t.deepEqual(reads.lists, stage.kind === "memory" ? [] : ["s1"]);
});

test("who has no session is taken out by the push, and who was added again stays", async (t, stage) => {
  const { service } = await start(stage);
  const { clients } = await stage.frontend("s1");
  await connect(service, "s1", clients, ["ann"]);
  await service.addMany(membersAt("s1", "room", ["ann", "gone"]));
  await service.addMany(membersAt("s1", "hall", ["gone"]));

  const report = await service.pushMessage("connector", "chat", 1, ["room", "hall"]);

  t.like(report, { targeted: 2, delivered: 1, failed: 1, failIds: ["gone"] });
  await eventually(async () => (await service.count("room")) === 1 && (await service.count("hall")) === 0, 3000);

  clients.hang();
  await service.add("room", "late", "s1");
  const push = service.pushMessage("connector", "chat", 2, "room");
  await eventually(() => clients.isHolding, 3000);
  await service.add("room", "late", "s1");
  clients.resume();
  t.deepEqual((await push).failIds, ["late"]);
  t.true(await service.isMember("room", "late"));
});

test("with autoLeave false nobody is taken out, neither by a push nor when its last session closes", async (t, stage) => {
  const { service } = await start(stage, { autoLeave: false });
  const versions = await stage.service({ autoLeave: false });
  const { clients } = await stage.frontend("s1", { autoLeave: false });
  await connect(service, "s1", clients, ["ann", "bob"]);
  await service.addMany(membersAt("s1", "room", ["ann", "bob", "gone"]));

  clients.disconnect("bob");
  await eventually(async () => (await service.getSids("bob")).length === 0, 3000);
  for (const pusher of [service, versions]) {
    t.like(await pusher.pushMessage("connector", "chat", 1, "room"), { targeted: 3, delivered: 1, failed: 2 });
  }
  await service.add("room", "sentinel", "s1");

  t.is(await service.count("room"), 4);
});

test.onRedisAlone(
  "with autoLeave false, an emptied store is filled again with members who have no session, too",
  async (t, stage) => {
    const service = await stage.service();
    const { clients } = await stage.frontend("s1", { autoLeave: false, leaseMs: 600 });
    await connect(service, "s1", clients, ["ann", "bob"]);
    await service.addMany(membersAt("s1", "room", ["ann", "bob"]));
    clients.disconnect("bob");
    await eventually(async () => (await service.getSids("bob")).length === 0, 3000);

    const admin = new Redis(stage.url!);
    t.teardown(() => admin.disconnect());
    await admin.flushall();

    await eventually(async () => (await service.count("room")) === 2, 5000);
    t.deepEqual((await service.getMembersBySid("room", "s1")).toSorted(), ["ann", "bob"]);
  },
);
