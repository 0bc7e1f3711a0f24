import { setTimeout as sleep } from "node:timers/promises";
import { AWKWARD_NAMES } from "../../src/conformance/samples.js";
import type { SubscriberStore } from "../../src/types.js";
import { eventually } from "../cluster/cluster.js";
import { onEveryStage } from "../support/stage.js";

// Where subscribers are, in every store: each process has one of its own.

const test = onEveryStage();

const LONG_MS = 60_000;

const at = (name: string, offset: number, epoch = "e") => ({ name, epoch, offset });

async function startStores(
  t: { teardown(fn: () => unknown): void },
  stage: { cluster(): { subscribers?: SubscriberStore | undefined } },
) {
  const stores = [stage.cluster().subscribers!, stage.cluster().subscribers!] as const;
  for (const store of stores) {
    await store.start?.();
    t.teardown(() => store.stop?.());
  }
  return stores;
}

/** What is kept, its channels in the order of their names. */
async function read(store: SubscriberStore, id: string) {
  const kept = await store.read(id);
  return kept && { note: kept.note, positions: kept.positions.toSorted(byName) };
}

function byName(one: { name: string }, other: { name: string }): number {
  return one.name < other.name ? -1 : 1;
}

test("a channel is added once, with its first position", async (t, stage) => {
  const [one, two] = await startStores(t, stage);
  t.is(await one.read("ann"), undefined);
  t.true(await one.subscribe("ann", at("a", 3), LONG_MS));
  t.false(await two.subscribe("ann", at("a", 9, "f"), LONG_MS));
  t.true(await two.subscribe("ann", at("b", 0), LONG_MS));
  t.deepEqual(await read(one, "ann"), { note: undefined, positions: [at("a", 3), at("b", 0)] });
  t.is(await two.read("bob"), undefined);
});

test("a channel that is taken out is none of it, and may be added again", async (t, stage) => {
  const [one, two] = await startStores(t, stage);
  await one.subscribe("ann", at("a", 3), LONG_MS);
  t.true(await two.unsubscribe("ann", "a"));
  t.false(await one.unsubscribe("ann", "a"));
  t.false(await one.unsubscribe("nobody", "a"));
  t.is(await two.read("nobody"), undefined);
  t.true(await one.subscribe("ann", at("a", 7, "f"), LONG_MS));
  t.deepEqual(await read(two, "ann"), { note: undefined, positions: [at("a", 7, "f")] });
});

test("what is saved is the note, and where it is in channels that it has", async (t, stage) => {
  const [one, two] = await startStores(t, stage);
  await one.subscribe("ann", at("a", 3), LONG_MS);
  await one.subscribe("ann", at("b", 4), LONG_MS);
  t.false(await two.save("ann", [at("a", 5, "f"), at("none", 1)], "a note: 日本 \u0000", LONG_MS));
  t.deepEqual(await read(one, "ann"), { note: "a note: 日本 \u0000", positions: [at("a", 5, "f"), at("b", 4)] });
  t.true(await one.save("ann", [], "", LONG_MS));
  t.deepEqual(await read(two, "ann"), { note: "", positions: [at("a", 5, "f"), at("b", 4)] });
  t.false(await one.save("new", [at("a", 1)], "only a note", LONG_MS));
  t.deepEqual(await read(two, "new"), { note: "only a note", positions: [] });
});

test("a save brings it back in no channel, unless that is in another epoch", async (t, stage) => {
  const [one, two] = await startStores(t, stage);
  for (const name of ["a", "b", "c"]) await one.subscribe("ann", at(name, 9), LONG_MS);
  await two.save("ann", [at("a", 10), at("b", 10)], "ahead", LONG_MS);
  // It has stood still meanwhile.
  await one.save("ann", [at("a", 9), at("b", 1, "f"), at("c", 8)], "behind", LONG_MS);
  t.deepEqual((await read(two, "ann"))?.positions, [at("a", 10), at("b", 1, "f"), at("c", 9)]);
});

test("large offsets, and epochs of any characters, stay what they are", async (t, stage) => {
  const [one, two] = await startStores(t, stage);
  const positions = [at("a", Number.MAX_SAFE_INTEGER, "with space"), at("b", 0, "0 1"), at("c", 1, "é\n")];
  for (const position of positions) await one.subscribe("ann", position, LONG_MS);
  t.deepEqual((await read(two, "ann"))?.positions, positions);
});

test("names of every kind are names of subscribers, and of channels", async (t, stage) => {
  const [one, two] = await startStores(t, stage);
  const names = [...new Set([...AWKWARD_NAMES, "n", "c", "cn", "__proto__", "stats:x", "x".repeat(1024)])];
  names.splice(names.indexOf("room"), names.includes("room") ? 1 : 0);
  for (const name of names) {
    for (const other of [name, "room"]) t.true(await one.subscribe(name, at(other, 1), LONG_MS), JSON.stringify(name));
    await one.save(name, [at(name, 2)], name, LONG_MS);
  }
  for (const name of names) {
    const positions = [at(name, 2), at("room", 1)].toSorted(byName);
    t.deepEqual(await read(two, name), { note: name, positions });
    t.true(await two.unsubscribe(name, name));
    t.deepEqual((await one.read(name))?.positions, [at("room", 1)]);
  }
});

test("of those who add or take out the same at the same time one does", async (t, stage) => {
  const stores = await startStores(t, stage);
  for (let turn = 0; turn < 20; turn++) {
    const calls = Array.from({ length: 20 }, (_, n) => n);
    const added = await Promise.all(
      calls.map((n) => Promise.resolve(stores[n % 2]!.subscribe("ann", at("a", n), LONG_MS))),
    );
    t.is(added.filter(Boolean).length, 1);
    const removed = await Promise.all(calls.map((n) => Promise.resolve(stores[n % 2]!.unsubscribe("ann", "a"))));
    t.is(removed.filter(Boolean).length, 1);
  }
});

test("a save while channels come and go changes none of those", async (t, stage) => {
  const [one, two] = await startStores(t, stage);
  const names = Array.from({ length: 50 }, (_, n) => `room ${n}`);
  for (const name of names) await one.subscribe("ann", at(name, 0), LONG_MS);
  await Promise.all(
    names.map(async (name, n) => {
      const save = one.save(
        "ann",
        names.map((each) => at(each, n + 1)),
        String(n),
        LONG_MS,
      );
      if (n % 2 === 0) await two.unsubscribe("ann", name);
      else await two.subscribe("ann", at(`${name} new`, 7), LONG_MS);
      await save;
    }),
  );
  const kept = await two.read("ann");
  t.deepEqual(
    kept!.positions.map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1)),
    names.flatMap((name, n) => (n % 2 === 0 ? [] : [name, `${name} new`])).toSorted((a, b) => (a < b ? -1 : 1)),
  );
  for (const { name, offset } of kept!.positions) t.is(offset, name.endsWith("new") ? 7 : Number(kept!.note) + 1);
});

test("it is kept for as long as was said last, or when it was added to for longest", async (t, stage) => {
  const [one, two] = await startStores(t, stage);
  const isGone = (id: string) => eventually(async () => (await two.read(id)) === undefined, 5000);

  await one.subscribe("short", at("a", 1), 150);
  await one.subscribe("longer", at("a", 1), 150);
  await two.subscribe("longer", at("b", 1), LONG_MS);
  await one.subscribe("long", at("a", 1), LONG_MS);
  await two.subscribe("long", at("a", 1), 150);
  await one.subscribe("saved", at("a", 1), 150);
  await one.save("saved", [], "", LONG_MS);
  await one.subscribe("expires", at("a", 1), LONG_MS);
  t.false(await two.expire("expires", 150));
  await one.subscribe("shortened", at("a", 1), LONG_MS);
  await one.save("shortened", [at("a", 2)], "note", 150);
  await one.subscribe("stays", at("a", 1), 150.5);
  t.false(await two.expire("stays", LONG_MS));
  t.true(await two.expire("saved", LONG_MS));
  t.false(await one.expire("nobody", LONG_MS));
  await Promise.all(["short", "expires", "shortened"].map(isGone));
  await sleep(200);

  for (const id of ["longer", "long", "saved", "stays"]) t.truthy(await one.read(id), id);
  t.false(await one.expire("short", LONG_MS));
  await one.subscribe("short", at("b", 1), LONG_MS);
  t.deepEqual(await read(two, "short"), { note: undefined, positions: [at("b", 1)] });
});
