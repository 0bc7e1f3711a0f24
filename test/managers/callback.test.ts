import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Frontend, GlobalChannelService, memory, type GlobalChannelError } from "../../src/index.js";
import { CallbackChannelManager, type CallbackManager } from "../../src/managers/callback.js";
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

test("members that are no list are an error, no list at all is an empty one, and numbers are uids", async (t) => {
  const old = new OldManager();
  const manager = new CallbackChannelManager(old);

  old.getMembersBySid = (_name, _sid, done) => done(null, "ann");
  await t.throwsAsync(manager.getMembersBySid("room", "s1"), { code: "GC_INVALID_ARGUMENT" });
  old.getMembersBySid = (_name, _sid, done) => done(null, null);
  t.deepEqual(await manager.getMembersBySid("room", "s1"), []);
  old.getMembersBySid = (_name, _sid, done) => done(null, [7, "ann"]);
  t.deepEqual(await manager.getMembersBySid("room", "s1"), ["7", "ann"]);
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
