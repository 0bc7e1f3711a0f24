import assert from "node:assert/strict";
import { CAPABILITY_METHODS } from "../../capabilities.js";
import { assertSameItems, countTrue, numbered } from "../expect.js";
import { managerCase } from "./manager-case.js";

export const memberCases = [
  managerCase("capabilities › each one that is declared brings its methods", [], async ({ open }) => {
    const manager = await open();

    for (const [capability, methods] of Object.entries(CAPABILITY_METHODS)) {
      if (!manager.capabilities?.[capability as keyof typeof CAPABILITY_METHODS]) continue;
      for (const method of methods) assert.equal(typeof manager[method], "function", `${capability} brings ${method}`);
    }
  }),

  managerCase("add › resolves true, and the user is a member", [], async ({ open }) => {
    const manager = await open();

    assert.equal(await manager.add("room", "ann", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
  }),

  managerCase("add › a second add of the same member is a no-op and resolves false", [], async ({ open }) => {
    const manager = await open();
    await manager.add("room", "ann", "s1");

    assert.equal(await manager.add("room", "ann", "s1"), false);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
    // One leave is enough, however often the member was added.
    assert.equal(await manager.leave("room", "ann", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), []);
  }),

  managerCase("add › who has left can be added again", [], async ({ open }) => {
    const manager = await open();

    for (let round = 0; round < 3; round++) {
      assert.equal(await manager.add("room", "ann", "s1"), true);
      assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
      assert.equal(await manager.leave("room", "ann", "s1"), true);
      assertSameItems(await manager.getMembersBySid("room", "s1"), []);
    }
  }),

  managerCase("add › of 100 concurrent adds of one member exactly one resolves true", [], async ({ open }) => {
    const managers = [await open(), await open()] as const;

    const results = await Promise.all(
      numbered("", 100).map((_, index) => managers[index % 2 === 0 ? 0 : 1].add("room", "ann", "s1")),
    );

    assert.equal(countTrue(results), 1);
    assertSameItems(await managers[0].getMembersBySid("room", "s1"), ["ann"]);
  }),

  managerCase("add › concurrent adds of different members all take effect", [], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    const uids = numbered("u", 200);

    const results = await Promise.all(
      uids.map((uid, index) => managers[index % 2 === 0 ? 0 : 1].add("room", uid, "s1")),
    );

    assert.equal(countTrue(results), uids.length);
    assertSameItems(await managers[0].getMembersBySid("room", "s1"), uids);
  }),

  managerCase("add › the same user at two frontends is two members", [], async ({ open }) => {
    const manager = await open();

    assert.equal(await manager.add("room", "ann", "s1"), true);
    assert.equal(await manager.add("room", "ann", "s2"), true);
    assert.equal(await manager.leave("room", "ann", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), []);
    assertSameItems(await manager.getMembersBySid("room", "s2"), ["ann"]);
  }),

  managerCase("add › the same user in two channels is two members", [], async ({ open }) => {
    const manager = await open();

    assert.equal(await manager.add("room", "ann", "s1"), true);
    assert.equal(await manager.add("hall", "ann", "s1"), true);
    assert.equal(await manager.leave("room", "ann", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), []);
    assertSameItems(await manager.getMembersBySid("hall", "s1"), ["ann"]);
  }),

  managerCase("leave › resolves true, takes out that member and nobody else", [], async ({ open }) => {
    const manager = await open();
    for (const uid of ["ann", "ben", "cal"]) await manager.add("room", uid, "s1");

    assert.equal(await manager.leave("room", "ben", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann", "cal"]);
  }),

  managerCase("leave › of one who is not a member is a no-op and resolves false", [], async ({ open }) => {
    const manager = await open();
    await manager.add("room", "ann", "s1");

    assert.equal(await manager.leave("room", "ben", "s1"), false, "another user");
    assert.equal(await manager.leave("room", "ann", "s2"), false, "another frontend");
    assert.equal(await manager.leave("hall", "ann", "s1"), false, "another channel");
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
    assert.equal(await manager.leave("room", "ann", "s1"), true);
    assert.equal(await manager.leave("room", "ann", "s1"), false, "has left");
    // A leave that changed nothing must not undo a later add either.
    assert.equal(await manager.add("room", "ann", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
  }),

  managerCase("leave › of 100 concurrent leaves of one member exactly one resolves true", [], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    await managers[0].add("room", "ann", "s1");
    await managers[0].add("room", "ben", "s1");

    const results = await Promise.all(
      numbered("", 100).map((_, index) => managers[index % 2 === 0 ? 0 : 1].leave("room", "ann", "s1")),
    );

    assert.equal(countTrue(results), 1);
    assertSameItems(await managers[0].getMembersBySid("room", "s1"), ["ben"]);
  }),

  managerCase(
    "leave › concurrent adds and leaves of one member resolve what each one changed",
    [],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;

      const adds: boolean[] = [];
      const leaves: boolean[] = [];
      await Promise.all(
        numbered("", 200).map(async (_, index) => {
          const manager = managers[index % 3 === 0 ? 0 : 1];
          if (index % 2 === 0) adds.push(await manager.add("room", "ann", "s1"));
          else leaves.push(await manager.leave("room", "ann", "s1"));
        }),
      );

      const members = await managers[0].getMembersBySid("room", "s1");
      assert.equal(countTrue(adds) - countTrue(leaves), members.length);
      assertSameItems(members, members.length === 0 ? [] : ["ann"]);
    },
  ),

  managerCase("getMembersBySid › an unknown channel or frontend has no members", [], async ({ open }) => {
    const manager = await open();
    assert.deepEqual(await manager.getMembersBySid("room", "s1"), []);

    await manager.add("room", "ann", "s1");

    assert.deepEqual(await manager.getMembersBySid("room", "s2"), []);
    assert.deepEqual(await manager.getMembersBySid("hall", "s1"), []);
  }),

  managerCase("getMembersBySid › each of 1,000 members is there once", [], async ({ open }) => {
    const manager = await open();
    const uids = numbered("u", 1_000);

    await Promise.all(uids.map((uid) => manager.add("room", uid, "s1")));

    assertSameItems(await manager.getMembersBySid("room", "s1"), uids);
  }),

  managerCase("getMembersBySid › what one instance has changed another one reads at once", [], async ({ open }) => {
    const [one, other] = [await open(), await open()];

    assert.equal(await one.add("room", "ann", "s1"), true);
    assertSameItems(await other.getMembersBySid("room", "s1"), ["ann"]);
    assert.equal(await other.add("room", "ann", "s1"), false);
    assert.equal(await other.leave("room", "ann", "s1"), true);
    assertSameItems(await one.getMembersBySid("room", "s1"), []);
    assert.equal(await one.leave("room", "ann", "s1"), false);
  }),
];
