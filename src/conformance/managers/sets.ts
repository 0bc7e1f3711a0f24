import assert from "node:assert/strict";
import type { Version } from "../../types.js";
import { assertSameItems, numbered } from "../expect.js";
import { parseVersion } from "./change-log.js";
import { type ManagerWith, managerCase } from "./manager-case.js";

const versionsOf = async (manager: ManagerWith<"versions">, name = "room") =>
  new Map((await manager.getMemberSets(name)).map(({ sid, version }) => [sid, version]));

/** The versions of several sets, of which a call concerns some. */
export const setCases = [
  managerCase(
    "addMany › raises the version of each set concerned, and of no other",
    ["bulk", "versions"],
    async (stage) => {
      const manager = await stage.open();
      for (const sid of ["s1", "s2", "s3"]) await manager.add("room", "ann", sid);
      const before = await versionsOf(manager);

      assert.equal(
        await manager.addMany([
          { name: "room", uid: "ben", sid: "s1" },
          { name: "room", uid: "ann", sid: "s2" },
        ]),
        1,
      );

      const after = await versionsOf(manager);
      for (const sid of ["s1", "s2"]) {
        const [[oldEpoch, old], [epoch, counter]] = [parseVersion(before.get(sid)), parseVersion(after.get(sid))];
        assert.ok(epoch === oldEpoch && counter > old, `${sid} went from ${before.get(sid)} to ${after.get(sid)}`);
      }
      assert.equal(after.get("s3"), before.get("s3"));
    },
  ),

  managerCase(
    "addMany, leaveMany › the same membership given many times in a mix is one, in each set that it is in",
    ["bulk"],
    async ({ open }) => {
      const manager = await open();
      const distinct = numbered("room", 5).flatMap((name) =>
        ["s1", "s2"].flatMap((sid) => numbered("u", 20).map((uid) => ({ name, uid, sid }))),
      );
      const mix = [...distinct, ...distinct.toReversed(), ...distinct, ...distinct.slice(50)];

      assert.equal(await manager.addMany(mix), 200);
      for (const sid of ["s1", "s2"]) {
        assertSameItems(await manager.getMembersBySid("room3", sid), numbered("u", 20));
      }
      assert.equal(await manager.leaveMany(mix.slice(0, 350)), 200);
      assertSameItems(await manager.getMembersBySid("room3", "s1"), []);
      assert.equal(await manager.leaveMany(mix), 0);
    },
  ),

  managerCase(
    "leaveMany › of nobody who is there leaves the versions as they are",
    ["bulk", "versions"],
    async (stage) => {
      const manager = await stage.open();
      for (const sid of ["s1", "s2"]) await manager.add("room", "ann", sid);
      const before = await versionsOf(manager);

      const strangers = ["s1", "s2", "s3"].flatMap((sid) =>
        numbered("u", 100).map((uid) => ({ name: "room", uid, sid })),
      );
      assert.equal(await manager.leaveMany(strangers), 0);

      assert.deepEqual(await versionsOf(manager), before);
    },
  ),

  managerCase(
    "getMemberSets › brings no members along of a set that is not wanted, or that the caller has",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      for (const sid of ["s1", "s2", "s3"]) await manager.add("room", "ann", sid);
      const versions = await versionsOf(manager);

      for (const copies of [undefined, new Map(), versions, new Map([["s1", versions.get("s1")]])]) {
        for (const set of await manager.getMemberSets("room", copies)) {
          assert.equal(set.uids, undefined, `${set.sid} came along`);
        }
      }
    },
  ),

  managerCase(
    "getMemberSets › whatever version a copy has, the members that come along are those of now",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      await manager.add("room", "gone", "s1");
      const [ended] = (await versionsOf(manager)).values();
      await manager.destroyChannel("room");
      await manager.add("room", "ann", "s1");
      const [older] = (await versionsOf(manager)).values();
      await manager.add("room", "ben", "s1");
      const [epoch] = parseVersion(older);

      const copies: (Version | undefined)[] = [undefined, ended, older, `${epoch}.3`, `${epoch}.20`, "other.2", "none"];
      for (const copy of copies) {
        const [set, ...others] = await manager.getMemberSets("room", new Map([["s1", copy]]));
        assert.deepEqual(others, []);
        assert.deepEqual([set?.version, set?.count], [`${epoch}.2`, 2]);
        assertSameItems(set?.uids ?? ["ann", "ben"], ["ann", "ben"], `for a copy at ${copy}`);
      }
    },
  ),

  managerCase("getSessions › answers for 5,000 users in one call, in their order", ["presence"], async ({ open }) => {
    const [manager, other] = [await open(), await open()];
    const uids = numbered("u", 5_000);
    await Promise.all(uids.map((uid, index) => index % 2 === 0 && manager.connect(uid, `s${index % 3}`, "i1")));

    const sessions = await other.getSessions(uids);

    assert.deepEqual(
      sessions.map((places) => places.map(({ sid }) => sid)),
      uids.map((_, index) => (index % 2 === 0 ? [`s${index % 3}`] : [])),
    );
    assert.deepEqual(await other.countUsers(["s0", "s1", "s2"]), [834, 833, 833]);
  }),
];
