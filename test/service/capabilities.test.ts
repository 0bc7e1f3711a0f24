import test, { type ExecutionContext } from "ava";
import {
  Frontend,
  GlobalChannelService,
  memory,
  type ChannelManager,
  type Cluster,
  type ManagerCapabilities,
} from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { replacing } from "../support/stage.js";

// Managers that can do some things and not others: what is missing costs more, or is refused, and never lies.

const METHODS: Record<keyof ManagerCapabilities, readonly (keyof ChannelManager)[]> = {
  bulk: ["addMany", "leaveMany"],
  queries: ["findMember", "scanMembers"],
  versions: ["getMemberSets", "readMemberSet", "getChannelsBySid", "watch", "leaveIfUnchanged"],
  presence: ["connect", "disconnect", "getSessions", "countUsers"],
  eviction: ["getServers", "evict"],
  events: ["watchAll"],
};
const ALL = Object.keys(METHODS) as (keyof ManagerCapabilities)[];

/** A cluster in memory whose manager has none of the methods of these capabilities. */
function without(...missing: (keyof ManagerCapabilities)[]): Cluster {
  const cluster = memory();
  const capabilities = Object.fromEntries(ALL.map((each) => [each, !missing.includes(each)]));
  const absent = Object.fromEntries(missing.flatMap((each) => METHODS[each]).map((method) => [method, undefined]));
  return { ...cluster, manager: replacing(cluster.manager, { ...absent, capabilities }) };
}

async function start(t: ExecutionContext, cluster: Cluster) {
  const service = new GlobalChannelService({ cluster, timeoutMs: 500 });
  t.teardown(() => service.stop(true));
  await service.start();
  const startFrontend = async (sid: string): Promise<RecordingConnector> => {
    const clients = new RecordingConnector();
    const frontend = new Frontend({ sid, stype: "connector", cluster, connector: clients });
    t.teardown(() => frontend.stop());
    await frontend.start();
    return clients;
  };
  return { service, startFrontend };
}

for (const capability of ALL) {
  test(`without ${capability}, members and pushes are the same`, async (t) => {
    const { service, startFrontend } = await start(t, without(capability));
    const clients = await startFrontend("s1");
    for (const uid of ["ann", "bob"]) clients.connect(uid);

    t.is(await service.addMany(["ann", "bob", "gone"].map((uid) => ({ name: "room", uid, sid: "s1" }))), 3);
    t.false(await service.add("room", "ann", "s1"));
    t.is(await service.count("room"), 3);
    t.true(await service.isMember("room", "gone"));
    t.false(await service.isMember("room", "eve"));
    const listed: string[] = [];
    for await (const { uid } of service.members("room", { pageSize: 1 })) listed.push(uid);
    t.deepEqual([...new Set(listed)].toSorted(), ["ann", "bob", "gone"]);
    const report = await service.pushMessage("connector", "chat", 1, ["room", "none"]);
    t.like(report, { targeted: 3, delivered: 2, failed: 1, failIds: ["gone"] });
    t.like(await service.broadcast("connector", "chat", 2), { targeted: 2, delivered: 2 });
    t.is(await service.leaveMany([{ name: "room", uid: "bob", sid: "s1" }]), 1);
    t.true((await service.destroyChannel("room")) >= 1);
    t.is(await service.count("room"), 0);
  });
}

test("without eviction, a frontend knows the members that an earlier incarnation left", async (t) => {
  const cluster = without("eviction");
  const { service, startFrontend } = await start(t, cluster);
  await service.add("room", "ann", "s1");

  const clients = await startFrontend("s1");
  clients.connect("ann");
  await eventually(async () => (await service.getSids("ann")).length === 1, 3000);

  t.deepEqual(await service.getChannels("ann"), ["room"]);
  clients.disconnect("ann");
  await t.notThrowsAsync(eventually(async () => !(await service.isMember("room", "ann")), 3000));
});

test("without queries, leaveAll at a frontend that is down takes the user out all the same", async (t) => {
  const { service } = await start(t, without("queries"));
  await service.add("room", "ann", "s1");
  await service.add("hall", "ann", "s1");
  await service.add("hall", "bob", "s1");

  t.is(await service.leaveAll("ann", "s1"), 2);
});

for (const [capability, calls] of [
  ["presence", ["getSids", "getChannels", "pushToUsers"]],
  ["versions", ["getChannels", "leaveAll"]],
] as const) {
  test(`without ${capability}, what needs it is refused by name`, async (t) => {
    const { service } = await start(t, without(capability));
    const call = {
      getSids: () => service.getSids("ann"),
      getChannels: () => service.getChannels("ann"),
      leaveAll: () => service.leaveAll("ann", "s1"),
      pushToUsers: () => service.pushToUsers("connector", "chat", 1, ["ann"]),
    };

    for (const method of calls) {
      const error = await t.throwsAsync(call[method](), { code: "GC_UNSUPPORTED" });
      t.true(error?.message.includes(method) && error.message.includes(capability), error?.message);
    }
  });
}
