import assert from "node:assert/strict";
import { assertSameItems, numbered, sum } from "../expect.js";
import { managerCase } from "./manager-case.js";

const inRoom = (uids: readonly string[], sid = "s1") => uids.map((uid) => ({ name: "room", uid, sid }));

export const bulkCases = [
  managerCase("addMany › resolves how many were not members before", ["bulk"], async ({ open }) => {
    const manager = await open();
    await manager.add("room", "ann", "s1");

    assert.equal(await manager.addMany(inRoom(["ann", "ben", "cal"])), 2);
    assert.equal(await manager.addMany(inRoom(["ann", "ben", "cal"])), 0);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann", "ben", "cal"]);
  }),

  managerCase("addMany › takes any mix of channels, frontends and users", ["bulk"], async ({ open }) => {
    const manager = await open();
    const memberships = ["room", "hall", "yard"].flatMap((name) =>
      ["s1", "s2"].flatMap((sid) => ["ann", "ben"].map((uid) => ({ name, uid, sid }))),
    );

    assert.equal(await manager.addMany(memberships), 12);

    for (const name of ["room", "hall", "yard"]) {
      for (const sid of ["s1", "s2"]) assertSameItems(await manager.getMembersBySid(name, sid), ["ann", "ben"]);
    }
    assert.equal(await manager.destroyChannel("hall"), 4);
  }),

  managerCase("addMany › who is given twice counts once", ["bulk"], async ({ open }) => {
    const manager = await open();

    assert.equal(await manager.addMany(inRoom(["ann", "ben", "ann", "ann"])), 2);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann", "ben"]);
    assert.equal(await manager.leave("room", "ann", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ben"]);
  }),

  managerCase("addMany, leaveMany › an empty list changes nothing and resolves 0", ["bulk"], async ({ open }) => {
    const manager = await open();
    await manager.add("room", "ann", "s1");

    assert.equal(await manager.addMany([]), 0);
    assert.equal(await manager.leaveMany([]), 0);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
  }),

  managerCase("addMany, leaveMany › 10,000 members in one call", ["bulk"], async ({ open }) => {
    const manager = await open();
    const uids = numbered("u", 10_000);

    assert.equal(await manager.addMany(inRoom(uids)), 10_000);
    assertSameItems(await manager.getMembersBySid("room", "s1"), uids);
    assert.equal(await manager.leaveMany(inRoom(uids.slice(1))), 9_999);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["u0"]);
    assert.equal(await manager.addMany(inRoom(uids)), 9_999);
    assert.equal(await manager.destroyChannel("room"), 10_000);
  }),

  managerCase("addMany, leaveMany › 2,000 channels in one call", ["bulk"], async ({ open }) => {
    const manager = await open();
    const memberships = numbered("room", 2_000).map((name) => ({ name, uid: "ann", sid: "s1" }));

    assert.equal(await manager.addMany(memberships), 2_000);
    assertSameItems(await manager.getMembersBySid("room1999", "s1"), ["ann"]);
    assert.equal(await manager.leaveMany(memberships), 2_000);
    assertSameItems(await manager.getMembersBySid("room0", "s1"), []);
  }),

  managerCase("addMany › concurrent calls for the same members count each one once", ["bulk"], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    const uids = numbered("u", 100);

    const counts = await Promise.all(
      numbered("", 20).map((_, index) => {
        // Each begins elsewhere in the list, so that they overlap in different orders.
        const order = [...uids.slice(index * 5), ...uids.slice(0, index * 5)];
        return managers[index % 2 === 0 ? 0 : 1].addMany(inRoom(order));
      }),
    );

    assert.equal(sum(counts), 100);
    assertSameItems(await managers[0].getMembersBySid("room", "s1"), uids);
  }),

  managerCase("leaveMany › resolves how many were members, and they can be added again", ["bulk"], async ({ open }) => {
    const manager = await open();
    await manager.addMany(inRoom(["ann", "ben", "cal"]));

    assert.equal(await manager.leaveMany(inRoom(["ann", "ben", "dan"])), 2);
    assert.equal(await manager.leaveMany(inRoom(["ann", "ben", "dan"])), 0);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["cal"]);
    assert.equal(await manager.addMany(inRoom(["ann", "cal"])), 1);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann", "cal"]);
  }),

  managerCase(
    "leaveMany › takes any mix of channels, frontends and users, and only those",
    ["bulk"],
    async ({ open }) => {
      const manager = await open();
      await manager.addMany([
        ...inRoom(["ann", "ben"], "s1"),
        ...inRoom(["ann", "ben"], "s2"),
        { name: "hall", uid: "ann", sid: "s1" },
      ]);

      const left = await manager.leaveMany([
        { name: "room", uid: "ann", sid: "s1" },
        { name: "room", uid: "ben", sid: "s2" },
        { name: "hall", uid: "ann", sid: "s1" },
        { name: "hall", uid: "ann", sid: "s2" },
      ]);

      assert.equal(left, 3);
      assertSameItems(await manager.getMembersBySid("room", "s1"), ["ben"]);
      assertSameItems(await manager.getMembersBySid("room", "s2"), ["ann"]);
      assertSameItems(await manager.getMembersBySid("hall", "s1"), []);
    },
  ),

  managerCase("leaveMany › who is given twice counts once", ["bulk"], async ({ open }) => {
    const manager = await open();
    await manager.addMany(inRoom(["ann", "ben"]));

    assert.equal(await manager.leaveMany(inRoom(["ann", "ann", "ann"])), 1);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ben"]);
  }),

  managerCase("leaveMany › concurrent calls for the same members count each one once", ["bulk"], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    const uids = numbered("u", 100);
    await managers[0].addMany(inRoom(uids));

    const counts = await Promise.all(
      numbered("", 20).map((_, index) => managers[index % 2 === 0 ? 0 : 1].leaveMany(inRoom(uids))),
    );

    assert.equal(sum(counts), 100);
    assertSameItems(await managers[0].getMembersBySid("room", "s1"), []);
  }),
];
