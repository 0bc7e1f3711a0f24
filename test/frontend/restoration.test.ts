import test from "ava";
import { Restoration } from "../../src/frontend/restoration.js";
import { MemoryChannelManager, type Membership } from "../../src/index.js";
import { numbers } from "../cluster/cluster.js";

// What is written again while things change. That the members of real frontends come back is in losses.test.ts.

/** A restoration that runs `during` once the store has some, and before it hears so. */
function restore(during: (batch: readonly Membership[]) => void) {
  const store = new MemoryChannelManager();
  const lease = { isValid: true };
  const calls: number[] = [];
  const manager = Object.assign(Object.create(store) as MemoryChannelManager, {
    addMany: async (memberships: readonly Membership[], reason: "restored") => {
      calls.push(memberships.length);
      const added = await store.addMany(memberships, reason);
      during(memberships);
      return added;
    },
    getMembersBySid: store.getMembersBySid.bind(store),
    capabilities: store.capabilities,
    leaveMany: store.leaveMany.bind(store),
  });
  const restoration = new Restoration({ manager, sid: "s1", lease, leftMsAgo: () => undefined, report: () => {} });
  return { store, lease, calls, restoration };
}

test("nothing more is written once the lease has ended; the rest when it is held again", async (t) => {
  const { store, lease, calls, restoration } = restore(() => (lease.isValid = false));
  for (const n of numbers(2500)) restoration.lose("room", String(n));

  await restoration.run();
  t.deepEqual(calls, [1000]);
  t.is((await store.getMembersBySid("room", "s1")).length, 1000);

  for (let runs = 0; runs < 2; runs++) {
    lease.isValid = true;
    await restoration.run();
  }
  t.deepEqual(calls, [1000, 1000, 500]);
  t.is((await store.getMembersBySid("room", "s1")).length, 2500);
});

test("who is lost again before the answer comes is written again", async (t) => {
  let isLost = false;
  const { store, calls, restoration } = restore(() => {
    if (isLost) return;
    isLost = true;
    void store.leave("room", "ann", "s1");
    restoration.lose("room", "ann");
  });
  restoration.lose("room", "ann");
  restoration.lose("room", "bob");

  await restoration.run();
  await restoration.run();

  t.deepEqual(calls, [2, 1]);
  t.deepEqual((await store.getMembersBySid("room", "s1")).toSorted(), ["ann", "bob"]);
});

test("who has left while its restoration was under way and failed is not written again", async (t) => {
  let isFailing = true;
  const { calls, restoration } = restore(() => {
    if (!isFailing) return;
    isFailing = false;
    restoration.left("room", ["ann"]);
    throw new Error("the answer is lost");
  });
  for (const uid of ["ann", "bob"]) restoration.lose("room", uid);

  await t.throwsAsync(restoration.run(), { message: "the answer is lost" });
  await restoration.run();

  t.deepEqual(calls, [2, 1]);
});
