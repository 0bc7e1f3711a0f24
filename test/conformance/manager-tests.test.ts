import test from "ava";
import { channelManagerConformance, channelManagerTests } from "../../src/conformance/index.js";
import { MemoryChannelManager } from "../../src/managers/memory.js";
import type { CallbackManager } from "../../src/types.js";

const FIRST_ADD = "add › resolves true, and the user is a member";

/** As it was written for the original. */
function callbackManager(): CallbackManager {
  const store = new MemoryChannelManager();
  return {
    add: (name, uid, sid, done) => done(null, store.add(name, uid, sid)),
    leave: (name, uid, sid, done) => done(null, store.leave(name, uid, sid)),
    getMembersBySid: (name, sid, done) => done(null, store.getMembersBySid(name, sid)),
    destroyChannel: (name, done) => done(null, store.destroyChannel(name)),
    clean: (done) => done(null, store.clean()),
  };
}

test("a manager that declares everything is held to every case", (t) => {
  const manager = new MemoryChannelManager();

  t.deepEqual(
    channelManagerTests(() => manager).map(({ name }) => name),
    channelManagerConformance().map(({ name }) => name),
  );
});

test("a manager is held to nothing that it does not declare", (t) => {
  const manager = Object.assign(new MemoryChannelManager(), { capabilities: { bulk: true } });

  const names = channelManagerTests(() => manager).map(({ name }) => name);

  t.true(names.includes("addMany › resolves how many were not members before"));
  t.deepEqual(
    names.filter((name) => /^(findMember|watch|evict|connect) ›/.test(name)),
    [],
  );
});

test("the store is empty at the beginning of each case", async (t) => {
  const manager = new MemoryChannelManager();
  const { run } = channelManagerTests(() => manager).find(({ name }) => name === FIRST_ADD)!;
  await manager.add("room", "somebody else", "s1");

  await run();
  await run();

  t.deepEqual(await manager.getMembersBySid("room", "s1"), ["ann"]);
});

test("a manager without clean is told what to do instead", async (t) => {
  const manager = Object.assign(callbackManager(), { clean: undefined });

  await t.throwsAsync(channelManagerTests(() => manager as CallbackManager)[0]!.run(), {
    message: /channelManagerConformance/,
  });
});

const manager = callbackManager();
for (const { name, run } of channelManagerTests(() => manager)) {
  test.serial(`manager with callbacks: ${name}`, (t) => t.notThrowsAsync(run));
}
