import assert from "node:assert/strict";
import { assertSameItems, countTrue, numbered, sum } from "../expect.js";
import { managerCase } from "./manager-case.js";
import { readWhole } from "./whole.js";

const DEAD = { sid: "s1", incarnation: "i1" };
const inRoom = (uids: readonly string[], sid = "s1") => uids.map((uid) => ({ name: "room", uid, sid }));

/** Calls of different methods at the same time: each membership begins and ends as often as the calls say. */
export const raceCases = [
  managerCase(
    "addMany, leaveMany › concurrent calls for overlapping members add up to who is a member",
    ["bulk"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const uids = numbered("u", 200);

      const [joined, left] = [new Array<number>(), new Array<number>()];
      await Promise.all(
        numbered("", 40).map(async (_, index) => {
          const manager = managers[index % 3 === 0 ? 0 : 1];
          const some = inRoom(uids.slice(index * 4, index * 4 + 50), `s${index % 5 === 0 ? 2 : 1}`);
          if (index % 2 === 0) joined.push(await manager.addMany(some));
          else left.push(await manager.leaveMany(some));
        }),
      );

      const whole = await readWhole(managers[0], ["room"], ["s1", "s2"]);
      const members = [...whole.values()].flatMap((bySid) => [...bySid.values()].flat());
      assert.equal(sum(joined) - sum(left), members.length);
      assert.equal(await managers[1].destroyChannel("room"), members.length);
    },
  ),

  managerCase(
    "leaveMany › of members who are evicted or whose channel ends at the same time each counts once",
    ["bulk", "eviction"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const uids = numbered("u", 1_000);
      await managers[0].addMany([...inRoom(uids, "s1"), ...inRoom(uids, "s2")]);

      const counts = await Promise.all([
        ...numbered("", 10).map((_, index) =>
          managers[index % 2 === 0 ? 0 : 1].leaveMany(inRoom(uids.slice(index * 100, index * 100 + 200))),
        ),
        managers[0].evict(DEAD, "server-down"),
        managers[1].destroyChannel("room"),
        managers[1].evict(DEAD, "server-down"),
      ]);

      assert.equal(sum(counts), 2_000);
      for (const bySid of (await readWhole(managers[0], ["room"], ["s1", "s2"])).values()) {
        for (const members of bySid.values()) assert.deepEqual(members, []);
      }
    },
  ),

  managerCase("evict › concurrent adds at another frontend all take effect", ["eviction"], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    const uids = numbered("u", 200);
    await Promise.all(uids.map((uid) => managers[0].add("room", uid, "s1")));

    const [evicted, ...added] = await Promise.all([
      managers[0].evict(DEAD, "server-down"),
      ...uids.map((uid) => managers[1].add("room", uid, "s2")),
    ]);

    assert.equal(evicted, 200);
    assert.equal(countTrue(added), 200);
    await readWhole(managers[1], ["room"], ["s1", "s2"]);
    assertSameItems(await managers[0].getMembersBySid("room", "s2"), uids);
    assertSameItems(await managers[0].getServers(), ["s2"]);
  }),

  managerCase("evict › a concurrent add there comes before it or after it", ["eviction"], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    const names = numbered("room", 5);

    const [evicted, added] = [new Array<number>(), new Array<boolean>()];
    await Promise.all(
      numbered("u", 300).map(async (uid, index) => {
        const manager = managers[index % 2 === 0 ? 0 : 1];
        if (index % 30 === 15) evicted.push(await manager.evict(DEAD, "server-down"));
        else added.push(await manager.add(names[index % names.length]!, uid, "s1"));
      }),
    );

    const whole = await readWhole(managers[0], names, ["s1"]);
    const members = [...whole.values()].flatMap((bySid) => [...bySid.values()].flat());
    assert.equal(countTrue(added), 290);
    assert.equal(sum(evicted) + members.length, 290);
    assert.equal(await managers[1].evict(DEAD, "server-down"), members.length);
    assertSameItems(await managers[0].getServers(), []);
  }),

  managerCase(
    "evict › while users connect to the next incarnation, counts and sessions agree in the end",
    ["eviction", "presence"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const uids = numbered("u", 100);
      await Promise.all(uids.map((uid) => managers[0].connect(uid, "s1", "i1")));

      await Promise.all([
        managers[0].evict(DEAD, "server-down"),
        ...uids.map((uid) => managers[1].connect(uid, "s1", "i2")),
      ]);

      const places = (await managers[1].getSessions(uids)).flat();
      assert.deepEqual(await managers[0].countUsers(["s1"]), [places.length]);
      for (const { incarnation } of places) assert.equal(incarnation, "i2", "a session of the dead one is left");
      await Promise.all(uids.map((uid) => managers[0].connect(uid, "s1", "i2")));
      assert.deepEqual(await managers[1].countUsers(["s1"]), [100]);
    },
  ),

  managerCase(
    "getServers › concurrent adds and leaves leave those that have members",
    ["eviction"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const sids = numbered("s", 100);

      await Promise.all(
        sids.map(async (sid, index) => {
          const [one, other] = index % 2 === 0 ? managers : ([managers[1], managers[0]] as const);
          await Promise.all([one.add("room", "ann", sid), other.add("hall", "ann", sid)]);
          if (index % 4 !== 0) await Promise.all([one.leave("hall", "ann", sid), other.leave("room", "ann", sid)]);
        }),
      );

      await readWhole(managers[0], ["room", "hall"], sids);
      assertSameItems(
        await managers[1].getServers(),
        sids.filter((_, index) => index % 4 === 0),
      );
    },
  ),

  managerCase("leaveIfUnchanged › 5,000 members in one call", ["bulk", "versions"], async ({ open }) => {
    const manager = await open();
    const uids = numbered("u", 5_000);
    await manager.addMany(inRoom([...uids, "ann"]));
    const { version } = await manager.readMemberSet("room", "s1");

    assert.equal(await manager.leaveIfUnchanged("room", "s1", uids, version ?? ""), 5_000);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
    assert.equal(await manager.leaveIfUnchanged("room", "s1", ["ann"], version ?? ""), 0);
  }),
];
