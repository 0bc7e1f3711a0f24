import test, { type ExecutionContext } from "ava";
import {
  Frontend,
  GlobalChannelError,
  GlobalChannelService,
  memory,
  type ChannelManager,
  type Cluster,
} from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { errorsOf, replacing } from "../support/stage.js";

// What a manager throws, rejects or gives against its contract reaches callers as an error of this package.

const CALLS: Record<string, (service: GlobalChannelService) => Promise<unknown>> = {
  add: (service) => service.add("room", "ann", "s1"),
  leave: (service) => service.leave("room", "ann", "s1"),
  addMany: (service) => service.addMany([{ name: "room", uid: "ann", sid: "s1" }]),
  leaveMany: (service) => service.leaveMany([{ name: "room", uid: "ann", sid: "s1" }]),
  destroyChannel: (service) => service.destroyChannel("room"),
  getMembersBySid: (service) => service.getMembersBySid("room", "s1"),
  findMember: (service) => service.isMember("room", "ann"),
  getMemberSets: (service) => service.count("room"),
  scanMembers: (service) => service.listMembers("room"),
  getSessions: (service) => service.getSids("ann"),
  getChannelsBySid: (service) => service.leaveAll("ann", "s1"),
  getMembershipsByUid: (service) => service.getChannels("ann"),
};

/** A started service of a cluster in memory with a frontend, some methods of whose manager are others. */
async function startWith(t: ExecutionContext, methods: Partial<Record<keyof ChannelManager, unknown>>) {
  const { manager, registry, transport } = memory();
  // Where there is an index of users, nobody asks for the channels of a frontend.
  const capabilities = { ...manager.capabilities, userIndex: !("getChannelsBySid" in methods) };
  const replaced = replacing(manager, { capabilities, ...(methods as Partial<ChannelManager>) });
  const shared = { registry, transport, manager: replaced };
  // Where no frontend answers, the store is asked for a user's channels.
  const silent = replacing(transport, { request: () => Promise.reject(new Error("not today")) });
  const service = new GlobalChannelService({ cluster: { ...shared, transport: silent } });
  const frontend = new Frontend({
    sid: "s1",
    stype: "connector",
    cluster: { manager, registry, transport },
    connector: new RecordingConnector(),
  });
  t.teardown(() => Promise.all([frontend.stop(), service.stop(true)]));
  await Promise.all([service.start(), frontend.start()]);
  return service;
}

for (const [method, call] of Object.entries(CALLS)) {
  test(`${method}: what is thrown or rejected is a GC_STORE_ERROR with the method and the cause`, async (t) => {
    for (const cause of [new Error("no connection"), new TypeError("no connection"), "no connection"]) {
      for (const fail of [
        () => {
          // oxlint-disable-next-line typescript/only-throw-error -- managers may do that
          throw cause;
        },
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- managers may do that
        () => Promise.reject(cause),
        // oxlint-disable-next-line unicorn/no-thenable -- promises of other libraries
        () => ({ then: (_fulfilled: unknown, rejected: (error: unknown) => void) => rejected(cause) }),
      ]) {
        const service = await startWith(t, { [method]: fail });
        const error = await t.throwsAsync<GlobalChannelError>(call(service), { code: "GC_STORE_ERROR" });
        t.is(error.cause, cause);
        t.true(error.message.includes(`channel manager's ${method} failed: `), error.message);
        t.true(error.message.includes("no connection"), error.message);
      }
    }
  });

  test(`${method}: an error of this package is passed on as it is`, async (t) => {
    const cause = new GlobalChannelError("GC_STORE_UNAVAILABLE", "gone for lunch");
    const service = await startWith(t, { [method]: () => Promise.reject(cause) });
    t.is(await t.throwsAsync(call(service)), cause);
  });
}

for (const [method, call] of Object.entries(CALLS).filter(
  ([name]) => !["add", "leave", "destroyChannel"].includes(name),
)) {
  test(`${method}: a result against the contract is a GC_STORE_ERROR that says what it was`, async (t) => {
    for (const [result, shown] of [
      [undefined, "undefined"],
      [null, "null"],
      ["ann", '"ann"'],
      [{ ann: 1 }, "an object"],
    ]) {
      for (const give of [() => result, () => Promise.resolve(result)]) {
        const service = await startWith(t, { [method]: give });
        const error = await t.throwsAsync<GlobalChannelError>(call(service), { code: "GC_STORE_ERROR" });
        const start = `the channel manager's ${method} gave ${shown as string}; it must give `;
        t.true(error.message.startsWith(start), error.message);
      }
    }
  });
}

test("uids that are not strings are refused, and the first is shown", async (t) => {
  const service = await startWith(t, { getMembersBySid: () => ["ann", 7, null] });
  await t.throwsAsync(service.getMembersBySid("room", "s1"), {
    code: "GC_STORE_ERROR",
    message: "the channel manager's getMembersBySid gave an array with 7 in it; it must give an array of strings",
  });
});

test("who tells nothing of an add, a leave or a destroyed channel is believed to have done it", async (t) => {
  const service = await startWith(t, { add: () => {}, leave: async () => null, destroyChannel: () => {} });
  t.true(await service.add("room", "ann", "s1"));
  t.true(await service.leave("room", "ann", "s1"));
  t.is(await service.destroyChannel("room"), 0);
});

test("a start that fails rejects with the manager's error as the cause, and may be tried again", async (t) => {
  const cause = new Error("no connection");
  let isBroken = true;
  const { manager, registry, transport } = memory();
  const start = async () => {
    if (isBroken) throw cause;
  };
  const service = new GlobalChannelService({
    cluster: { manager: replacing(manager, { start }), registry, transport },
  });
  t.teardown(() => service.stop());

  const error = await t.throwsAsync(service.start(), {
    code: "GC_STORE_ERROR",
    message: /start failed: no connection/,
  });
  t.is(error.cause, cause);
  isBroken = false;
  await t.notThrowsAsync(service.start());
});

test("one failed call of many leaves no rejection behind that nobody handles", async (t) => {
  const calls: string[] = [];
  const service = await startWith(t, {
    capabilities: {},
    add: (_name: string, uid: string) => {
      calls.push(uid);
      throw new Error(`no ${uid}`);
    },
  });
  const members = ["ann", "bob", "cid"].map((uid) => ({ name: "room", uid, sid: "s1" }));
  await t.throwsAsync(service.addMany(members), { code: "GC_STORE_ERROR", message: /add failed: no ann/ });
  t.deepEqual(calls, ["ann", "bob", "cid"]);
});

test("what fails at a frontend is told on the diagnostics channel", async (t) => {
  const cause = new Error("no connection");
  const { manager, registry, transport } = memory();
  const cluster: Cluster = {
    manager: replacing(manager, { connect: () => Promise.reject(cause) }),
    registry,
    transport,
  };
  const clients = new RecordingConnector();
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster, connector: clients });
  const errors = errorsOf(t, frontend);
  t.teardown(() => frontend.stop());
  await frontend.start();

  clients.connect("ann");

  await eventually(() => errors.length > 0, 3000);
  t.like(errors[0], { code: "GC_STORE_ERROR", cause });
});
