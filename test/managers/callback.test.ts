import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import {
  CallbackChannelManager,
  Frontend,
  GlobalChannelService,
  memory,
  type CallbackManager,
  type GlobalChannelError,
} from "../../src/index.js";
import { RecordingConnector } from "../support/recording-connector.js";

// Managers as they were written for pomelo-globalchannel-plugin.

type Done = (error?: unknown, result?: unknown) => void;

/** One that keeps members in this process, with the methods that every manager had to have, each calling back later. */
class OldManager implements CallbackManager {
  readonly members = new Map<string, Set<string>>();

  add(name: string, uid: string, sid: string, done: Done): void {
    setImmediate(() => {
      this.members.set(`${name}:${sid}`, this.#at(name, sid).add(uid));
      done();
    });
  }

  leave(name: string, uid: string, sid: string, done: Done): void {
    setImmediate(() => {
      this.#at(name, sid).delete(uid);
      done(null);
    });
  }

  getMembersBySid(name: string, sid: string, done: Done): void {
    setImmediate(() => done(null, [...this.#at(name, sid)]));
  }

  destroyChannel(name: string, done: Done): void {
    for (const key of this.members.keys()) if (key.startsWith(`${name}:`)) this.members.delete(key);
    setImmediate(done);
  }

  #at(name: string, sid: string): Set<string> {
    return this.members.get(`${name}:${sid}`) ?? new Set();
  }
}

test("a service and its pushes work with one that has no start, no stop and no clean", async (t) => {
  const cluster = { ...memory(), manager: new CallbackChannelManager(new OldManager()) };
  const clients = new RecordingConnector();
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster, connector: clients });
  const service = new GlobalChannelService({ cluster });
  t.teardown(() => Promise.all([frontend.stop(), service.stop()]));
  await service.start();
  await frontend.start();
  clients.connect("ann");

  t.true(await service.add("room", "ann", "s1"));
  await service.add("room", "gone", "s1");
  t.deepEqual(await service.getMembersByChannelName("connector", "room"), ["ann", "gone"]);
  t.like(await service.pushMessage("connector", "chat", 1, "room"), { targeted: 2, delivered: 1, failIds: ["gone"] });
  t.true(await service.leave("room", "gone", "s1"));
  t.deepEqual(await service.getMembersBySid("room", "s1"), ["ann"]);
  await service.destroyChannel("room");
  t.is(await service.count("room"), 0);
});

test("start, stop and clean are waited for where they are there", async (t) => {
  const calls: unknown[] = [];
  const later = (name: string, done: Done) => setTimeout(() => done(calls.push(name) && null), 20);
  const manager = new CallbackChannelManager(
    Object.assign(new OldManager(), {
      start: (done: Done) => later("start", done),
      stop: (force: boolean, done: Done) => later(`stop ${force}`, done),
      clean: (done: Done) => later("clean", done),
    }),
  );

  await manager.start();
  await manager.clean();
  await manager.stop(true);

  t.deepEqual(calls, ["start", "clean", "stop true"]);
});

test("errors reject as GC_STORE_ERROR, whatever they are, and a second call of the callback changes nothing", async (t) => {
  const old = new OldManager();
  const manager = new CallbackChannelManager(old);
  const cause = new Error("no connection");
  const failing: OldManager["add"][] = [
    (_name, _uid, _sid, done) => {
      done(cause);
      done();
    },
    () => {
      throw cause;
    },
    // It never calls back.
    async (_name: string, _uid: string, _sid: string, _done: Done) => {
      throw cause;
    },
  ];

  for (const add of failing) {
    old.add = add;
    const error = await t.throwsAsync<GlobalChannelError>(manager.add("room", "ann", "s1"));
    t.like(error, { code: "GC_STORE_ERROR", cause });
    t.regex(error.message, /add failed: no connection/);
  }
  old.add = (_name, _uid, _sid, done) => done("ECONNREFUSED");
  await t.throwsAsync(manager.add("room", "ann", "s1"), { code: "GC_STORE_ERROR", message: /ECONNREFUSED/ });
});

test("members that are no list of uids are an error, no list at all is an empty one, and numbers are uids", async (t) => {
  const old = new OldManager();
  const manager = new CallbackChannelManager(old);

  for (const [result, shown] of [
    ["ann", '"ann"'],
    [{ ann: 1 }, "an object"],
    [[{ uid: "ann" }], "an array with an object in it"],
  ] as const) {
    old.getMembersBySid = (_name, _sid, done) => done(null, result);
    const error = await t.throwsAsync<GlobalChannelError>(manager.getMembersBySid("room", "s1"));
    t.is(error.code, "GC_STORE_ERROR");
    t.is(error.message, `the channel manager's getMembersBySid gave ${shown}; it must give an array of strings`);
  }
  old.getMembersBySid = (_name, _sid, done) => done(null, null);
  t.deepEqual(await manager.getMembersBySid("room", "s1"), []);
  old.getMembersBySid = (_name, _sid, done) => done(null, [7, "ann"]);
  t.deepEqual(await manager.getMembersBySid("room", "s1"), ["7", "ann"]);
});

test("a callback that never comes is a timeout that names the method, and one that comes later is ignored", async (t) => {
  const old = new OldManager();
  const manager = new CallbackChannelManager(Object.assign(old, { start: (_done: Done) => {} }), { timeoutMs: 50 });
  const late: Done[] = [];
  const keep = (...args: unknown[]) => void late.push(args.at(-1) as Done);
  old.add = (name, uid, sid, done) => keep(name, uid, sid, done);
  old.leave = (name, uid, sid, done) => keep(name, uid, sid, done);
  old.getMembersBySid = (name, sid, done) => keep(name, sid, done);
  old.destroyChannel = (name, done) => keep(name, done);

  for (const [method, call] of [
    ["start", () => manager.start()],
    ["add", () => manager.add("room", "ann", "s1")],
    ["leave", () => manager.leave("room", "ann", "s1")],
    ["getMembersBySid", () => manager.getMembersBySid("room", "s1")],
    ["destroyChannel", () => manager.destroyChannel("room")],
  ] as const) {
    const error = await t.throwsAsync<GlobalChannelError>(call());
    t.like(error, { code: "GC_TIMEOUT", temporary: true });
    t.is(error.message, `the channel manager's ${method} did not call back within 50 ms (timeoutMs)`);
  }

  t.notThrows(() => late.forEach((done) => done(new Error("too late"))));
});

test("a callback after a throw, or a second one, is ignored", async (t) => {
  const old = new OldManager();
  const manager = new CallbackChannelManager(old, { timeoutMs: 50 });

  old.add = (_name, _uid, _sid, done) => {
    setImmediate(done);
    throw new Error("no connection");
  };
  await t.throwsAsync(manager.add("room", "ann", "s1"), { code: "GC_STORE_ERROR", message: /no connection/ });
  old.leave = (_name, _uid, _sid, done) => {
    done(null, false);
    done(new Error("again"));
    throw new Error("once more");
  };
  t.false(await manager.leave("room", "ann", "s1"));
  await sleep(60);
});

/** A promise that is none of the language's: what Bluebird and others give. */
class OtherPromise {
  readonly #promise: Promise<unknown>;

  constructor(promise: Promise<unknown>) {
    this.#promise = promise;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- that is what it is
  then(fulfilled?: (value: unknown) => unknown, rejected?: (error: unknown) => unknown): OtherPromise {
    return new OtherPromise(this.#promise.then(fulfilled, rejected));
  }

  catch(rejected: (error: unknown) => unknown): OtherPromise {
    return this.then(undefined, rejected);
  }
}

test("promises of other libraries are waited for, whether or not the method's parameters show", async (t) => {
  const fail = () => new OtherPromise(Promise.reject(new Error("no connection")));
  const manager = new CallbackChannelManager(
    {
      // As functions made by Bluebird's `coroutine` are.
      add: (..._args: unknown[]) => new OtherPromise(sleep(5, false)),
      leave: (_name: string, _uid: string, _sid: string) => new OtherPromise(sleep(5, false)),
      getMembersBySid: (_name: string, _sid: string, _done: Done) => fail(),
      destroyChannel: (_name: string) => fail(),
    },
    { timeoutMs: 1000 },
  );

  t.false(await manager.add("room", "ann", "s1"));
  t.false(await manager.leave("room", "ann", "s1"));
  await t.throwsAsync(manager.getMembersBySid("room", "s1"), { code: "GC_STORE_ERROR", message: /no connection/ });
  await t.throwsAsync(manager.destroyChannel("room"), { code: "GC_STORE_ERROR", message: /no connection/ });
});

test("a query is not run again by waiting for it where the method calls back", async (t) => {
  const query = (tag: unknown) => ({
    // oxlint-disable-next-line unicorn/no-thenable -- that is what the queries of Knex and Mongoose have
    then: () => t.fail("it was awaited"),
    catch: () => t.fail("it was awaited"),
    [Symbol.toStringTag]: tag,
  });
  for (const tag of ["object", () => "Query { find }"]) {
    const manager = new CallbackChannelManager(
      Object.assign(new OldManager(), {
        add: (...args: unknown[]) => {
          setImmediate(args[3] as Done, null, true);
          return query(tag);
        },
        leave: (_name: string, _uid: string, _sid: string, done: Done) => {
          setImmediate(done, null, true);
          return query(tag);
        },
      }),
    );
    t.true(await manager.add("room", "ann", "s1"));
    t.true(await manager.leave("room", "ann", "s1"));
  }
});

test("a service and a frontend use one that calls back as it is, and share its start and its stop", async (t) => {
  const calls: string[] = [];
  const manager = Object.assign(new OldManager(), {
    start: (done: Done) => setTimeout(() => done(calls.push("start") && null), 10),
    stop: (force: boolean, done: Done) => setTimeout(() => done(calls.push(`stop ${force}`) && null), 10),
  });
  const cluster = { ...memory(), manager };
  const clients = new RecordingConnector();
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster, connector: clients });
  const service = new GlobalChannelService({ cluster });
  const other = new GlobalChannelService({ cluster: { ...cluster } });
  await Promise.all([service.start(), other.start(), frontend.start()]);
  clients.connect("ann");

  t.true(await service.add("room", "ann", "s1"));
  t.deepEqual(await other.getMembersByChannelName("connector", "room"), ["ann"]);
  t.like(await other.pushMessage("connector", "chat", 1, "room"), { targeted: 1, delivered: 1 });
  t.deepEqual(calls, ["start"]);
  await Promise.all([service.stop(), frontend.stop()]);
  t.deepEqual(calls, ["start"]);
  await other.stop();
  t.deepEqual(calls, ["start", "stop false"]);
});

test("one parameter more, of any required method, is what makes a manager one that calls back", async (t) => {
  const promised = {
    add: async (_name: string, _uid: string, _sid: string, _reason = "") => true,
    leave: async () => false,
    getMembersBySid: async (..._args: string[]) => ["ann"],
    destroyChannel: async (_name: string) => 2,
  };
  const withCallback = {
    add: (_name: string, _uid: string, _sid: string, done: Done) => setImmediate(done, null, true),
    leave: (_name: string, _uid: string, _sid: string, done: Done) => setImmediate(done, null, false),
    getMembersBySid: (_name: string, _sid: string, done: Done) => setImmediate(done, null, ["ann"]),
    destroyChannel: (_name: string, done: Done) => setImmediate(done, null, 2),
  };
  const methods = Object.keys(promised) as (keyof typeof promised)[];

  for (const mixed of [{}, ...methods.map((method) => ({ [method]: withCallback[method] })), withCallback]) {
    const cluster = { ...memory(), manager: { ...promised, ...mixed } };
    const service = new GlobalChannelService({ cluster, timeoutMs: 500 });
    const frontend = new Frontend({ sid: "s1", stype: "connector", cluster, connector: new RecordingConnector() });
    await Promise.all([service.start(), frontend.start()]);
    t.true(await service.add("room", "ann", "s1"));
    t.false(await service.leave("room", "ann", "s1"));
    t.deepEqual(await service.getMembersBySid("room", "s1"), ["ann"]);
    t.is(await service.destroyChannel("room"), 2);
    await Promise.all([service.stop(), frontend.stop()]);
  }
});

test("one that calls back and declares a capability is refused at the start, also where it was wrapped by hand", async (t) => {
  const old = Object.assign(new OldManager(), {
    capabilities: { bulk: true },
    addMany: (_members: unknown, _reason: unknown, done: Done) => done(),
    leaveMany: (_members: unknown, _reason: unknown, done: Done) => done(),
    start: () => t.fail("it was started"),
  });

  for (const manager of [old, new CallbackChannelManager(old)]) {
    const service = new GlobalChannelService({ cluster: { ...memory(), manager } });
    const error = await t.throwsAsync<GlobalChannelError>(service.start());
    t.like(error, { code: "GC_INVALID_OPTION", argument: "cluster.manager" });
    t.regex(error.message, /declare bulk only with methods that return promises/);
  }
  const service = new GlobalChannelService({
    cluster: { ...memory(), manager: Object.assign(new OldManager(), { capabilities: { bulk: false } }) },
  });
  t.teardown(() => service.stop());
  await t.notThrowsAsync(service.start());
});

test("a callback that does not show in the number of parameters is waited for", async (t) => {
  const old = new OldManager();
  const manager = new CallbackChannelManager({
    add: (...args: unknown[]) => void setImmediate(args[3] as Done, null, false),
    leave: (...args: unknown[]) => void setImmediate(args[3] as Done, null, false),
    getMembersBySid: (name: string, sid: string, ...rest: Done[]) => old.getMembersBySid(name, sid, rest[0]!),
    destroyChannel: (...args: unknown[]) => void setImmediate(args[1] as Done, null, 2),
  });
  old.add("room", "ann", "s1", () => {});
  await new Promise(setImmediate);

  t.false(await manager.add("room", "ann", "s1"));
  t.false(await manager.leave("room", "ann", "s1"));
  t.deepEqual(await manager.getMembersBySid("room", "s1"), ["ann"]);
  t.is(await manager.destroyChannel("room"), 2);
});

test("methods with promises work too, and what a method with a callback returns does not matter", async (t) => {
  const manager = new CallbackChannelManager({
    start: async () => sleep(5),
    add: async (_name: string, uid: string) => uid === "ann",
    // As a query of mysql2 does, which refuses to be awaited.
    leave: (_name: string, _uid: string, _sid: string, done: Done) => {
      setImmediate(done);
      // oxlint-disable-next-line unicorn/no-thenable -- that is what it returns
      return { then: () => t.fail("it was awaited") };
    },
    getMembersBySid: async () => ["ann"],
    destroyChannel: async () => 3,
  });

  await manager.start();
  t.true(await manager.add("room", "ann", "s1"));
  t.false(await manager.add("room", "ben", "s1"));
  t.true(await manager.leave("room", "ann", "s1"));
  t.deepEqual(await manager.getMembersBySid("room", "s1"), ["ann"]);
  t.is(await manager.destroyChannel("room"), 3);
});

test("one that lacks a method is refused, and the method is named", (t) => {
  const manager = { add() {}, leave() {}, getMembersBySid() {} };
  const error = t.throws<GlobalChannelError>(() => new CallbackChannelManager(manager as never));
  t.is(error.code, "GC_INVALID_ARGUMENT");
  t.regex(error.message, /no method destroyChannel/);
  for (const none of [undefined, null, "manager"]) {
    t.throws(() => new CallbackChannelManager(none as never), { code: "GC_INVALID_ARGUMENT" });
  }
});

test("its deadline is a time", (t) => {
  for (const timeoutMs of [0, -1, Number.NaN, "5000"]) {
    const make = () => new CallbackChannelManager(new OldManager(), { timeoutMs } as never);
    t.throws(make, { code: "GC_INVALID_OPTION", message: /^CallbackChannelManager: timeoutMs is/ });
  }
});
