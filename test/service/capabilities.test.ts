import test, { type ExecutionContext } from "ava";
import { CAPABILITY_METHODS } from "../../src/capabilities.js";
import {
  Frontend,
  GlobalChannelService,
  memory,
  type Cluster,
  type ManagerCapabilities,
  type MembershipEvent,
} from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { errorsOf, replacing } from "../support/stage.js";

// Managers that can do some things and not others: what is missing costs more, or is refused, and never lies.

type Capability = keyof ManagerCapabilities;

const ALL = Object.keys(CAPABILITY_METHODS) as Capability[];

/** How a capability is missing: its methods are not there; or they are, but it is declared false, so that nobody may call them. */
const MODES = {
  absent: () => undefined,
  "declared false": (method: string) => () => {
    throw new Error(`${method} was called, of a capability that is not declared`);
  },
};

/** A cluster in memory whose manager has not these capabilities. */
function without(missing: readonly Capability[], mode: keyof typeof MODES = "absent"): Cluster {
  const cluster = memory();
  const capabilities = Object.fromEntries(ALL.map((each) => [each, !missing.includes(each)]));
  const methods = missing.flatMap((each): readonly string[] => CAPABILITY_METHODS[each]);
  const replaced = Object.fromEntries(methods.map((method) => [method, MODES[mode](method)]));
  return { ...cluster, manager: replacing(cluster.manager, { ...replaced, capabilities }) };
}

async function start(t: ExecutionContext, cluster: Cluster) {
  const service = new GlobalChannelService({ cluster });
  t.teardown(() => service.stop(true));
  await service.start();
  const startFrontend = async (sid: string) => {
    const clients = new RecordingConnector();
    const frontend = new Frontend({ sid, stype: "connector", cluster, connector: clients });
    t.teardown(() => frontend.stop());
    await frontend.start();
    return { clients, frontend };
  };
  return { service, startFrontend };
}

type Service = GlobalChannelService;

/** How each method answers while ann and bob have sessions at s1, and they and one who has none are in the room. */
const METHODS: Record<
  string,
  { needs?: readonly Capability[]; or?: Capability; call: (service: Service) => Promise<unknown>; gives: unknown }
> = {
  add: { call: (service) => service.add("room", "ann", "s1"), gives: false },
  leave: { call: (service) => service.leave("room", "ann", "s1"), gives: true },
  addMany: { call: (service) => service.addMany(inRoom("ann", "eve")), gives: 1 },
  leaveMany: { call: (service) => service.leaveMany(inRoom("ann", "eve")), gives: 1 },
  leaveAll: { needs: ["versions"], or: "userIndex", call: (service) => service.leaveAll("ann", "s1"), gives: 1 },
  destroyChannel: { call: (service) => service.destroyChannel("room"), gives: 3 },
  getMembersBySid: { call: (service) => service.getMembersBySid("room", "s1"), gives: ["ann", "bob", "gone"] },
  getMembersByChannelName: {
    call: (service) => service.getMembersByChannelName("connector", "room"),
    gives: ["ann", "bob", "gone"],
  },
  getChannels: {
    needs: ["versions", "presence"],
    or: "userIndex",
    call: (service) => service.getChannels("ann"),
    gives: ["room"],
  },
  getSids: { needs: ["presence"], call: (service) => service.getSids("ann"), gives: ["s1"] },
  isMember: {
    call: (service) => Promise.all([service.isMember("room", "gone"), service.isMember("room", "eve")]),
    gives: [true, false],
  },
  count: {
    call: (service) => Promise.all([service.count("room"), service.count("room", "other"), service.count("hall")]),
    gives: [3, 0, 0],
  },
  listMembers: {
    call: async (service) => (await service.listMembers("room")).members.map(({ uid }) => uid),
    gives: ["ann", "bob", "gone"],
  },
  members: {
    call: async (service) => {
      const uids = new Set<string>();
      for await (const { uid } of service.members("room", { pageSize: 1 })) uids.add(uid);
      return [...uids].toSorted();
    },
    gives: ["ann", "bob", "gone"],
  },
  history: { call: async (service) => (await service.history("room")).messages, gives: [] },
  recover: {
    call: async (service) => (await service.recover("room", { epoch: "e", offset: 0 })).gap,
    gives: "epoch",
  },
  pushMessage: {
    call: (service) => service.pushMessage("connector", "chat", 1, ["room", "hall"], { except: ["bob"] }),
    gives: { targeted: 2, delivered: 1, failed: 1, unknown: 0, failIds: ["gone"], unlisted: 0, frontends: undefined },
  },
  pushToUsers: {
    needs: ["presence"],
    call: (service) => service.pushToUsers("connector", "chat", 1, ["ann", "eve"]),
    gives: { targeted: 2, delivered: 1, failed: 1, unknown: 0, failIds: ["eve"], unlisted: 0, frontends: undefined },
  },
  disconnectUsers: {
    needs: ["presence"],
    call: (service) => service.disconnectUsers("connector", ["ann", "eve"]),
    gives: { targeted: 2, delivered: 1, failed: 1, unknown: 0, failIds: ["eve"], unlisted: 0, frontends: undefined },
  },
  broadcast: {
    call: (service) => service.broadcast("connector", "chat", 1),
    gives: { targeted: 2, delivered: 2, failed: 0, unknown: 0, failIds: [], unlisted: 0, frontends: undefined },
  },
};

function inRoom(...uids: string[]) {
  return uids.map((uid) => ({ name: "room", uid, sid: "s1" }));
}

/** What a method gave, without what each push has of its own. */
function shown(result: unknown): unknown {
  if (typeof result !== "object" || result === null || Array.isArray(result)) return result;
  return { ...result, frontends: undefined };
}

test("the table has every method of the service", (t) => {
  const others = new Set(["constructor", "start", "stop"]);
  const methods = Object.getOwnPropertyNames(GlobalChannelService.prototype).filter((method) => !others.has(method));
  t.deepEqual(Object.keys(METHODS).toSorted(), methods.toSorted());
});

/** Nothing, each capability, those that can do without one another only one at a time, and all. */
const MISSING: readonly (readonly Capability[])[] = [
  [],
  ...ALL.map((each) => [each]),
  ["versions", "userIndex"],
  ["presence", "userIndex"],
  ALL,
];

for (const mode of Object.keys(MODES) as (keyof typeof MODES)[]) {
  for (const missing of MISSING) {
    const title = missing.length === ALL.length ? "any capability" : missing.join(" and ") || "nothing";
    test(`without ${title} (${mode}), each method does the same, or is refused by name`, async (t) => {
      for (const [method, { needs = [], or, call, gives }] of Object.entries(METHODS)) {
        const { service, startFrontend } = await start(t, without(missing, mode));
        const { clients, frontend } = await startFrontend("s1");
        const errors = [errorsOf(t, service), errorsOf(t, frontend)];
        for (const uid of ["ann", "bob"]) clients.connect(uid);
        t.is(await service.addMany(inRoom("ann", "bob", "gone")), 3, method);

        const isElse = or !== undefined && !missing.includes(or);
        const lacking = isElse ? undefined : needs.find((need) => missing.includes(need));
        if (lacking) {
          const error = await t.throwsAsync(call(service), { code: "GC_UNSUPPORTED" }, method);
          t.is(error?.message, `${method} needs a channel manager with the capability ${lacking}`);
        } else {
          t.deepEqual(shown(await call(service)), gives, method);
        }
        for (const uid of ["ann", "bob"]) clients.disconnect(uid);
        await frontend.stop();
        await service.stop();
        t.deepEqual(errors.flat(), [], method);
      }
    });
  }

  test(`without events (${mode}), nobody is told of anything, and a listener is told that`, async (t) => {
    const cluster = without(["events"], mode);
    for (const isEarly of [true, false]) {
      const service = new GlobalChannelService({ cluster });
      const errors = errorsOf(t, service);
      t.teardown(() => service.stop(true));
      const listen = () => service.on("join", () => t.fail()).on("leave", () => t.fail());
      if (isEarly) listen();
      await service.start();
      if (!isEarly) listen();
      await service.add("room", "ann", "s1");
      await service.leave("room", "ann", "s1");
      await eventually(() => errors.length > 0, 1000);

      t.is(errors.length, 1);
      t.like(errors[0], { code: "GC_UNSUPPORTED" });
      t.regex(errors[0]!.message, /capability events/);
    }
  });
}

// What it costs, as the docstring of ManagerCapabilities says.

test("without bulk, each membership is one call, and the reasons of frontends are not told", async (t) => {
  const cluster = without(["bulk"]);
  const { service, startFrontend } = await start(t, cluster);
  const reasons: string[] = [];
  service.on("leave", ({ uid, reason }: MembershipEvent) => reasons.push(`${uid} ${reason}`));
  const { clients } = await startFrontend("s1");
  clients.connect("ann");
  t.is(await service.addMany(inRoom("ann", "bob")), 2);

  clients.disconnect("ann");

  await eventually(() => reasons.length > 0, 3000);
  t.deepEqual(reasons, ["ann leave"]);
});

test("without bulk, a failure among many leaves the others done", async (t) => {
  const { manager, ...others } = without(["bulk"]);
  const add = async (name: string, uid: string, sid: string) => {
    if (uid === "bob") throw new Error("not bob");
    return manager.add(name, uid, sid);
  };
  const { service, startFrontend } = await start(t, { ...others, manager: replacing(manager, { add }) });
  await startFrontend("s1");

  await t.throwsAsync(service.addMany(inRoom("ann", "bob", "cid")), { code: "GC_STORE_ERROR" });

  t.deepEqual(await service.getMembersBySid("room", "s1"), ["ann", "cid"]);
});

test("without queries, a page is a whole frontend", async (t) => {
  const { service, startFrontend } = await start(t, without(["queries"]));
  await startFrontend("s1");
  await startFrontend("s2");
  await service.addMany([...inRoom("ann", "bob", "cid"), { name: "room", uid: "dan", sid: "s2" }]);

  const { members, cursor } = await service.listMembers("room", { limit: 1 });
  const next = await service.listMembers("room", { limit: 1, cursor: cursor! });

  t.deepEqual(
    members.map(({ uid }) => uid),
    ["ann", "bob", "cid"],
  );
  t.deepEqual(next, { members: [{ uid: "dan", sid: "s2" }], cursor: undefined });
});

test("without queries, leaveAll at a frontend that is down takes the user out all the same", async (t) => {
  const { service } = await start(t, without(["queries", "userIndex"]));
  await service.add("room", "ann", "s1");
  await service.add("hall", "ann", "s1");
  await service.add("hall", "bob", "s1");

  t.is(await service.leaveAll("ann", "s1"), 2);
});

test("without versions, who has no session stays, and fails in every push, until the frontend ends", async (t) => {
  const cluster = without(["versions"]);
  const { service, startFrontend } = await start(t, cluster);
  const { clients, frontend } = await startFrontend("s1");
  clients.connect("ann");
  await service.addMany(inRoom("ann", "gone"));
  clients.disconnect("ann");

  for (let push = 0; push < 2; push++) {
    t.like(await service.pushMessage("connector", "chat", 1, "room"), { failIds: ["ann", "gone"], delivered: 0 });
  }
  await frontend.stop();

  t.deepEqual(await cluster.manager.getMembersBySid("room", "s1"), []);
});

test("without presence, a broadcast does not know whom a frontend that fails would have reached", async (t) => {
  for (const [missing, isUncounted] of [
    [["presence"], true],
    [[], undefined],
  ] as [Capability[], true | undefined][]) {
    const cluster = without(missing);
    const request = () => Promise.reject(new Error("not today"));
    const { startFrontend } = await start(t, cluster);
    const { service } = await start(t, { ...cluster, transport: replacing(cluster.transport, { request }) });
    const { clients } = await startFrontend("s1");
    clients.connect("ann");

    const error = await t.throwsAsync(service.broadcast("connector", "chat", 1), { code: "GC_PUSH_FAILED" });

    const { frontends } = (error as Error & { report: { frontends: { targeted: number; isUncounted?: true }[] } })
      .report;
    t.is(frontends[0]?.isUncounted, isUncounted);
    t.is(frontends[0]?.targeted, isUncounted ? 0 : 1);
  }
});

test("without eviction, a frontend that starts takes out whom an earlier incarnation left, nobody without versions", async (t) => {
  for (const [missing, left] of [
    [["eviction"], []],
    [["eviction", "versions"], ["ann"]],
  ] as [Capability[], string[]][]) {
    const { service, startFrontend } = await start(t, without(missing));
    await service.add("room", "ann", "s1");

    await startFrontend("s1");

    t.deepEqual(await service.getMembersBySid("room", "s1"), left);
  }
});

test("without eviction, a frontend that stops takes out its members, nobody without versions", async (t) => {
  for (const [missing, left] of [
    [["eviction"], []],
    [
      ["eviction", "versions"],
      ["ann", "gone"],
    ],
  ] as [Capability[], string[]][]) {
    const cluster = without(missing);
    const { service, startFrontend } = await start(t, cluster);
    const { clients, frontend } = await startFrontend("s1");
    clients.connect("ann");
    await service.addMany(inRoom("ann", "gone"));

    await frontend.stop();

    t.deepEqual(await cluster.manager.getMembersBySid("room", "s1"), left);
    t.is(await service.count("room"), 0);
    const again = await startFrontend("s1");
    t.is(await service.count("room"), left.length);
    await again.frontend.stop();
  }
});
