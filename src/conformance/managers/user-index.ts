import assert from "node:assert/strict";
import { assertSameItems, numbered } from "../expect.js";
import { AWKWARD_NAMES } from "../samples.js";
import { managerCase } from "./manager-case.js";

export const userIndexCases = [
  managerCase(
    "getMembershipsByUid › resolves where a user is a member, at a frontend or at all of them",
    ["userIndex"],
    async ({ open }) => {
      const manager = await open();
      assertSameItems(await manager.getMembershipsByUid("ann"), []);
      for (const [name, sid] of [
        ["room", "s1"],
        ["hall", "s1"],
        ["room", "s2"],
      ] as const) {
        await manager.add(name, "ann", sid);
      }
      await manager.add("yard", "ben", "s1");

      const [room, hall, away] = [
        { name: "room", uid: "ann", sid: "s1" },
        { name: "hall", uid: "ann", sid: "s1" },
        { name: "room", uid: "ann", sid: "s2" },
      ];
      assertSameItems(await manager.getMembershipsByUid("ann"), [room, hall, away]);
      assertSameItems(await manager.getMembershipsByUid("ann", "s1"), [room, hall]);
      assertSameItems(await manager.getMembershipsByUid("ann", "s3"), []);
      assertSameItems(await manager.getMembershipsByUid("ben", "s2"), []);
    },
  ),

  managerCase(
    "getMembershipsByUid › follows every way in which a membership ends",
    ["userIndex", "bulk"],
    async ({ open }) => {
      const manager = await open();
      const names = numbered("room", 6);
      await manager.addMany(names.flatMap((name) => ["s1", "s2"].map((sid) => ({ name, uid: "ann", sid }))));
      await manager.addMany(names.map((name) => ({ name, uid: "ben", sid: "s1" })));
      const left = async (sid?: string) => (await manager.getMembershipsByUid("ann", sid)).map(({ name }) => name);
      const without = (...gone: string[]) => names.filter((name) => !gone.includes(name));

      await manager.leave("room0", "ann", "s1");
      assertSameItems(await left("s1"), without("room0"));
      await manager.leaveMany([{ name: "room1", uid: "ann", sid: "s1" }]);
      assertSameItems(await left("s1"), without("room0", "room1"));
      await manager.destroyChannel("room2");
      assertSameItems(await left("s1"), without("room0", "room1", "room2"));
      assertSameItems(await left("s2"), without("room2"));
      if (manager.capabilities?.versions) {
        const set = await manager.readMemberSet?.("room3", "s1");
        await manager.leaveIfUnchanged?.("room3", "s1", ["ann"], set?.version ?? "");
        assertSameItems(await left("s1"), without("room0", "room1", "room2", "room3"));
      }
      if (manager.capabilities?.eviction) {
        await manager.evict?.({ sid: "s1", incarnation: "i1" }, "server-down");
        assertSameItems(await left("s1"), []);
        assertSameItems(await manager.getMembershipsByUid("ben"), []);
      }
      assertSameItems(await left("s2"), without("room2"));
      await manager.add("room2", "ann", "s2");
      assertSameItems(await left("s2"), names);
    },
  ),

  managerCase(
    "getMembershipsByUid › another instance reads it at once, and one of 500 channels is as good as one of one",
    ["userIndex", "bulk"],
    async ({ open }) => {
      const [one, other] = [await open(), await open()];
      const memberships = numbered("room", 500).map((name) => ({ name, uid: "ann", sid: "s1" }));
      await one.addMany(memberships);
      await one.addMany(numbered("u", 500).map((uid) => ({ name: "room0", uid, sid: "s1" })));

      assertSameItems(await other.getMembershipsByUid("ann"), memberships);
      assertSameItems(await other.getMembershipsByUid("u7"), [{ name: "room0", uid: "u7", sid: "s1" }]);
    },
  ),

  managerCase(
    "getMembershipsByUid › every name comes back as it was given, for that very user",
    ["userIndex", "bulk"],
    async ({ open }) => {
      const manager = await open();
      const memberships = AWKWARD_NAMES.map((name) => ({ name, uid: name, sid: name }));
      await manager.addMany(memberships);

      for (const membership of memberships) {
        assertSameItems(await manager.getMembershipsByUid(membership.uid), [membership]);
        assert.equal((await manager.getMembershipsByUid(membership.uid, membership.sid)).length, 1);
      }
    },
  ),
];
