import assert from "node:assert/strict";
import { assertSameItems, numbered } from "../expect.js";
import { type ManagerWith, managerCase } from "./manager-case.js";

async function sessionsOf(manager: ManagerWith<"presence">, uid: string) {
  const [places] = await manager.getSessions([uid]);
  assert.ok(places, "one list per uid");
  return places;
}

export const presenceCases = [
  managerCase(
    "connect › the user has a session at that incarnation, until disconnect",
    ["presence"],
    async ({ open }) => {
      const manager = await open();
      assert.deepEqual(await manager.getSessions(["ann"]), [[]]);

      for (let round = 0; round < 2; round++) {
        await manager.connect("ann", "s1", "i1");
        assertSameItems(await sessionsOf(manager, "ann"), [{ sid: "s1", incarnation: "i1" }]);
        assert.deepEqual(await manager.countUsers(["s1"]), [1]);
        await manager.disconnect("ann", "s1", "i1");
        assertSameItems(await sessionsOf(manager, "ann"), []);
        assert.deepEqual(await manager.countUsers(["s1"]), [0]);
      }
    },
  ),

  managerCase("connect › noting the same twice is the same as once", ["presence"], async ({ open }) => {
    const manager = await open();

    await Promise.all([manager.connect("ann", "s1", "i1"), manager.connect("ann", "s1", "i1")]);

    assertSameItems(await sessionsOf(manager, "ann"), [{ sid: "s1", incarnation: "i1" }]);
    assert.deepEqual(await manager.countUsers(["s1"]), [1]);
    await manager.disconnect("ann", "s1", "i1");
    assertSameItems(await sessionsOf(manager, "ann"), []);
  }),

  managerCase("connect › a user may have sessions at several frontends", ["presence"], async ({ open }) => {
    const manager = await open();
    for (const sid of ["s1", "s2", "s3"]) await manager.connect("ann", sid, `i-${sid}`);

    await manager.disconnect("ann", "s2", "i-s2");

    assertSameItems(await sessionsOf(manager, "ann"), [
      { sid: "s1", incarnation: "i-s1" },
      { sid: "s3", incarnation: "i-s3" },
    ]);
    assert.deepEqual(await manager.countUsers(["s1", "s2", "s3"]), [1, 0, 1]);
  }),

  managerCase("connect › another instance reads it at once", ["presence"], async ({ open }) => {
    const [one, other] = [await open(), await open()];

    await one.connect("ann", "s1", "i1");
    assertSameItems(await sessionsOf(other, "ann"), [{ sid: "s1", incarnation: "i1" }]);
    await other.disconnect("ann", "s1", "i1");
    assertSameItems(await sessionsOf(one, "ann"), []);
  }),

  managerCase("connect, disconnect › sessions are no memberships", ["presence"], async ({ open }) => {
    const manager = await open();
    await manager.connect("ann", "s1", "i1");
    assertSameItems(await manager.getMembersBySid("room", "s1"), []);

    await manager.add("room", "ann", "s1");
    await manager.disconnect("ann", "s1", "i1");

    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
    assertSameItems(await sessionsOf(manager, "ann"), []);
  }),

  managerCase("disconnect › of what is not there does nothing", ["presence"], async ({ open }) => {
    const manager = await open();
    await manager.disconnect("ann", "s1", "i1");
    await manager.connect("ann", "s1", "i1");

    await manager.disconnect("ben", "s1", "i1");
    await manager.disconnect("ann", "s2", "i1");
    await manager.disconnect("ann", "s1", "i2");

    assertSameItems(await sessionsOf(manager, "ann"), [{ sid: "s1", incarnation: "i1" }]);
    assert.deepEqual(await manager.countUsers(["s1", "s2"]), [1, 0]);
  }),

  managerCase(
    "disconnect › of an old incarnation leaves the session at the new one",
    ["presence"],
    async ({ open }) => {
      const manager = await open();
      await manager.connect("ann", "s1", "old");
      await manager.connect("ann", "s1", "new");
      assert.deepEqual(await manager.countUsers(["s1"]), [1], "one user, however many incarnations");

      await manager.disconnect("ann", "s1", "old");

      assertSameItems(await sessionsOf(manager, "ann"), [{ sid: "s1", incarnation: "new" }]);
      assert.deepEqual(await manager.countUsers(["s1"]), [1]);
      await manager.disconnect("ann", "s1", "new");
      assertSameItems(await sessionsOf(manager, "ann"), []);
      assert.deepEqual(await manager.countUsers(["s1"]), [0]);
    },
  ),

  managerCase(
    "getSessions › answers in the order given, also for who is unknown or given twice",
    ["presence"],
    async ({ open }) => {
      const manager = await open();
      await manager.connect("ann", "s1", "i1");
      await manager.connect("ben", "s2", "i2");

      const sessions = await manager.getSessions(["ben", "nobody", "ann", "ben"]);

      const [ann, ben] = [[{ sid: "s1", incarnation: "i1" }], [{ sid: "s2", incarnation: "i2" }]];
      assert.equal(sessions.length, 4);
      for (const [index, expected] of [ben, [], ann, ben].entries()) assertSameItems(sessions[index] ?? [], expected);
      assert.deepEqual(await manager.getSessions([]), []);
    },
  ),

  managerCase(
    "countUsers › answers in the order given, also for what is unknown or given twice",
    ["presence"],
    async ({ open }) => {
      const manager = await open();
      for (const uid of ["ann", "ben", "cal"]) await manager.connect(uid, "s1", "i1");
      await manager.connect("ann", "s2", "i2");

      assert.deepEqual(await manager.countUsers(["s2", "unknown", "s1", "s2"]), [1, 0, 3, 1]);
      assert.deepEqual(await manager.countUsers([]), []);
    },
  ),

  managerCase(
    "countUsers › 1,000 users who come and go at the same time are counted right",
    ["presence"],
    async ({ open }) => {
      const manager = await open();
      const uids = numbered("u", 1_000);

      await Promise.all(
        uids.map(async (uid, index) => {
          await manager.connect(uid, "s1", "i1");
          if (index % 4 === 0) await manager.disconnect(uid, "s1", "i1");
        }),
      );

      assert.deepEqual(await manager.countUsers(["s1"]), [750]);
      const sessions = await manager.getSessions(uids);
      assert.equal(sessions.filter((places) => places.length === 1).length, 750);
    },
  ),
];
