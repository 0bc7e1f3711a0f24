import assert from "node:assert/strict";
import type { Awaitable, Version } from "../../types.js";
import { assertSameItems, eventually, numbered, sum } from "../expect.js";
import { ChangeLog } from "./change-log.js";
import { type ManagerWith, managerCase } from "./manager-case.js";

/** Adds these to `room` at `s1` and resolves the version then. */
async function filled(manager: ManagerWith<"versions">, uids: readonly string[]): Promise<Version> {
  for (const uid of uids) await manager.add("room", uid, "s1");
  const { version } = await manager.readMemberSet("room", "s1");
  assert.ok(version !== undefined, "the set has no version");
  return version;
}

/** What an add has to resolve whose members, all but ann new, came before ann was taken out, and after that. */
interface RacingAdd<M, R> {
  uids: readonly string[];
  add: (manager: M, name: string) => Awaitable<R>;
  results: { first: R; last: R };
}

/** Takes ann out while others add her, in many channels at the same time: she is a member in the end. */
async function raceWithAdd<M extends ManagerWith<"versions">, R>(
  open: () => Promise<M>,
  { uids, add, results }: RacingAdd<M, R>,
): Promise<void> {
  const [manager, other] = [await open(), await open()];
  const names = numbered("room", 50);

  await Promise.all(
    names.map(async (name, index) => {
      await manager.add(name, "ann", "s1");
      const { version } = await manager.readMemberSet(name, "s1");
      const adding = () => add(other, name);
      const leaving = () => manager.leaveIfUnchanged(name, "s1", ["ann"], version ?? "");
      const [left, added] =
        index % 2 === 0
          ? await Promise.all([leaving(), adding()])
          : (await Promise.all([adding(), leaving()])).toReversed();
      assert.deepEqual([left, added], added === results.last ? [1, results.last] : [0, results.first]);
    }),
  );

  for (const name of names) assertSameItems(await manager.getMembersBySid(name, "s1"), uids, name);
}

export const leaveIfUnchangedCases = [
  managerCase(
    "leaveIfUnchanged › takes the members out of a set at that version and resolves how many",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      const version = await filled(manager, ["ann", "ben", "cal"]);

      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann", "ben"], version), 2);
      assertSameItems(await manager.getMembersBySid("room", "s1"), ["cal"]);
      assert.equal(await manager.add("room", "ann", "s1"), true);
    },
  ),

  managerCase(
    "leaveIfUnchanged › counts nobody who is not a member, and nobody twice",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      const version = await filled(manager, ["ann", "ben"]);

      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["cal"], version), 0);
      assert.equal(await manager.leaveIfUnchanged("room", "s1", [], version), 0);
      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann", "cal", "ann"], version), 1);
      assertSameItems(await manager.getMembersBySid("room", "s1"), ["ben"]);
    },
  ),

  managerCase("leaveIfUnchanged › takes out many, or none of them", ["versions"], async ({ open }) => {
    const manager = await open();
    const uids = numbered("user", 600);
    const before = await filled(manager, ["ann"]);
    await Promise.all(uids.map((uid) => manager.add("room", uid, "s1")));
    const { version } = await manager.readMemberSet("room", "s1");

    assert.equal(await manager.leaveIfUnchanged("room", "s1", uids, before), 0);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann", ...uids]);
    assert.equal(await manager.leaveIfUnchanged("room", "s1", uids, version ?? ""), 600);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
  }),

  managerCase("leaveIfUnchanged › does nothing once a member was added again", ["versions"], async ({ open }) => {
    const manager = await open();
    const version = await filled(manager, ["ann", "ben"]);

    assert.equal(await manager.add("room", "ann", "s1"), false);

    assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann"], version), 0);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann", "ben"]);
  }),

  managerCase(
    "leaveIfUnchanged › does nothing once members were added again in bulk",
    ["versions", "bulk"],
    async ({ open }) => {
      const manager = await open();
      const version = await filled(manager, ["ann", "ben"]);

      assert.equal(await manager.addMany([{ name: "room", uid: "ann", sid: "s1" }]), 0);

      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann"], version), 0);
      assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann", "ben"]);
    },
  ),

  managerCase(
    "leaveIfUnchanged › does nothing after any other change, but a change elsewhere is none",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      const version = await filled(manager, ["ann", "ben"]);
      await manager.leave("room", "ben", "s1");
      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann"], version), 0);

      const later = await filled(manager, ["cal"]);
      await manager.add("room", "ann", "s2");
      await manager.add("hall", "ann", "s1");

      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann"], later), 1);
      assertSameItems(await manager.getMembersBySid("room", "s1"), ["cal"]);
      assertSameItems(await manager.getMembersBySid("room", "s2"), ["ann"]);
      assertSameItems(await manager.getMembersBySid("hall", "s1"), ["ann"]);
    },
  ),

  managerCase(
    "leaveIfUnchanged › does nothing in a later epoch, though the counter is the same",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      const version = await filled(manager, ["ann"]);
      await manager.destroyChannel("room");
      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann"], version), 0, "no set");

      await filled(manager, ["ann"]);

      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann"], version), 0);
      assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
    },
  ),

  managerCase("leaveIfUnchanged › does nothing at what the set's version never was", ["versions"], async ({ open }) => {
    const manager = await open();
    const version = await filled(manager, ["ann", "ben"]);

    for (const other of ["", ".", "2", `${version}0`, `${version}.2`, ` ${version}`, `x${version}`]) {
      assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann"], other), 0, JSON.stringify(other));
    }
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann", "ben"]);
  }),

  managerCase("leaveIfUnchanged, watch › is told with the reason that was given", ["versions"], async ({ open }) => {
    const manager = await open();
    const log = new ChangeLog();
    await manager.watch("s1", log);
    const version = await filled(manager, ["ann", "ben", "cal"]);

    await manager.leaveIfUnchanged("room", "s1", ["ann"], version);
    const { version: later } = await manager.readMemberSet("room", "s1");
    await manager.leaveIfUnchanged("room", "s1", ["ben"], later ?? "", "leave");

    await eventually(() => assert.equal(log.told("leave").length, 2));
    assert.deepEqual(
      log.told("leave").map(({ uid, reason }) => [uid, reason]),
      [
        ["ann", "disconnect"],
        ["ben", "leave"],
      ],
    );
  }),

  managerCase(
    "leaveIfUnchanged › of concurrent calls at one version only one takes members out",
    ["versions"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const version = await filled(managers[0], ["ann", "ben", "cal"]);

      const counts = await Promise.all(
        numbered("", 20).map((_, index) =>
          managers[index % 2 === 0 ? 0 : 1].leaveIfUnchanged("room", "s1", ["ann", "ben"], version),
        ),
      );

      assert.equal(sum(counts), 2);
      assertSameItems(await managers[0].getMembersBySid("room", "s1"), ["cal"]);
    },
  ),

  managerCase(
    "leaveIfUnchanged › who is added at the same time is a member in the end, whichever came first",
    ["versions"],
    ({ open }) =>
      raceWithAdd(open, {
        uids: ["ann"],
        add: (manager, name) => manager.add(name, "ann", "s1"),
        results: { first: false, last: true },
      }),
  ),

  managerCase(
    "leaveIfUnchanged › who is added in bulk at the same time is a member in the end, whichever came first",
    ["bulk", "versions"],
    ({ open }) =>
      raceWithAdd(open, {
        uids: ["ann", "ben"],
        add: (manager, name) => manager.addMany(["ann", "ben"].map((uid) => ({ name, uid, sid: "s1" }))),
        results: { first: 1, last: 2 },
      }),
  ),
];
