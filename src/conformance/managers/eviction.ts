import assert from "node:assert/strict";
import { assertSameItems, eventually, numbered, sum } from "../expect.js";
import { ChangeLog, parseVersion } from "./change-log.js";
import { managerCase } from "./manager-case.js";

const DEAD = { sid: "s1", incarnation: "i1" };

export const evictionCases = [
  managerCase("getServers › resolves the sids that have members, each once", ["eviction"], async ({ open }) => {
    const manager = await open();
    assert.deepEqual(await manager.getServers(), []);
    await manager.add("room", "ann", "s1");
    await manager.add("hall", "ann", "s1");
    await manager.add("room", "ann", "s2");
    await manager.add("room", "ann", "s3");

    assertSameItems(await manager.getServers(), ["s1", "s2", "s3"]);
    await manager.leave("room", "ann", "s1");
    await manager.leave("room", "ann", "s2");
    assertSameItems(await manager.getServers(), ["s1", "s3"]);
    await manager.destroyChannel("room");
    assertSameItems(await manager.getServers(), ["s1"]);
    await manager.evict(DEAD, "server-down");
    assertSameItems(await manager.getServers(), []);
    await manager.add("room", "ann", "s2");
    assertSameItems(await manager.getServers(), ["s2"]);
  }),

  managerCase(
    "evict › takes every member there out of every channel, and nobody else",
    ["eviction"],
    async ({ open }) => {
      const manager = await open();
      for (const name of ["room", "hall"]) for (const uid of ["ann", "ben"]) await manager.add(name, uid, "s1");
      await manager.add("yard", "ann", "s1");
      await manager.add("room", "ann", "s2");

      assert.equal(await manager.evict(DEAD, "server-down"), 5);

      for (const name of ["room", "hall", "yard"]) assertSameItems(await manager.getMembersBySid(name, "s1"), [], name);
      assertSameItems(await manager.getMembersBySid("room", "s2"), ["ann"]);
      assertSameItems((await manager.getChannelsBySid?.("s1")) ?? [], []);
      assert.equal(await manager.leave("room", "ann", "s1"), false);
    },
  ),

  managerCase("evict › resolves 0 for a frontend that has no members", ["eviction"], async ({ open }) => {
    const manager = await open();
    await manager.add("room", "ann", "s2");

    assert.equal(await manager.evict(DEAD, "server-down"), 0, "never had any");
    await manager.add("room", "ann", "s1");
    assert.equal(await manager.evict(DEAD, "server-down"), 1);
    assert.equal(await manager.evict(DEAD, "server-down"), 0, "has none any more");
    assertSameItems(await manager.getMembersBySid("room", "s2"), ["ann"]);
  }),

  managerCase("evict › a later add starts afresh", ["eviction", "versions"], async ({ open }) => {
    const manager = await open();
    for (const uid of ["ann", "ben"]) await manager.add("room", uid, "s1");
    const before = await manager.readMemberSet("room", "s1");

    await manager.evict(DEAD, "server-down");
    assert.equal(await manager.add("room", "ann", "s1"), true);

    const after = await manager.readMemberSet("room", "s1");
    assertSameItems(after.uids, ["ann"]);
    assert.equal(parseVersion(after.version)[1], 1);
    assert.notEqual(parseVersion(after.version)[0], parseVersion(before.version)[0]);
  }),

  managerCase("evict › 2,000 members in 200 channels", ["eviction"], async ({ open }) => {
    const manager = await open();
    await Promise.all(
      numbered("room", 200).flatMap((name) => numbered("u", 10).map((uid) => manager.add(name, uid, "s1"))),
    );
    await manager.add("room0", "ann", "s2");

    assert.equal(await manager.evict(DEAD, "server-down"), 2_000);

    assertSameItems(await manager.getServers(), ["s2"]);
    assertSameItems(await manager.getMembersBySid("room199", "s1"), []);
    assertSameItems(await manager.getMembersBySid("room0", "s2"), ["ann"]);
  }),

  managerCase("evict › a set of 5,000 members", ["eviction"], async ({ open }) => {
    const manager = await open();
    await Promise.all(numbered("u", 5_000).map((uid) => manager.add("room", uid, "s1")));

    assert.equal(await manager.evict(DEAD, "server-down"), 5_000);

    assertSameItems(await manager.getMembersBySid("room", "s1"), []);
    assert.equal(await manager.add("room", "u0", "s1"), true);
  }),

  managerCase(
    "evict › however many callers at once, each membership is taken out once",
    ["eviction"],
    async ({ open }) => {
      const managers = [await open(), await open(), await open()] as const;
      const names = numbered("room", 20);
      await Promise.all(names.flatMap((name) => numbered("u", 20).map((uid) => managers[0].add(name, uid, "s1"))));

      const counts = await Promise.all(
        numbered("", 12).map((_, index) =>
          managers[index % 3 === 0 ? 0 : index % 3 === 1 ? 1 : 2].evict(DEAD, "server-down"),
        ),
      );

      assert.equal(sum(counts), 400);
      assertSameItems(await managers[0].getServers(), []);
    },
  ),

  managerCase(
    "evict › however many callers at once, each membership is told once, with the reason",
    ["eviction", "events"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[1].watchAll(log);
      const left = numbered("room", 10).flatMap((name) => numbered("u", 10).map((uid) => ({ name, uid, sid: "s1" })));
      await Promise.all(left.map(({ name, uid, sid }) => managers[0].add(name, uid, sid)));

      await Promise.all(
        numbered("", 10).map((_, index) => managers[index % 2 === 0 ? 0 : 1].evict(DEAD, "server-down")),
      );
      await managers[0].add("room0", "last", "s1");

      await eventually(() => {
        assertSameItems(log.members("room0", "s1"), ["last"]);
        assertSameItems(
          log.told("leave"),
          left.map((member) => ({ ...member, reason: "server-down" })),
        );
      });
    },
  ),

  managerCase(
    "evict › of members who leave at the same time each is told once",
    ["eviction", "events"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[0].watchAll(log);
      const uids = numbered("u", 100);
      await Promise.all(uids.map((uid) => managers[0].add("room", uid, "s1")));

      const [evicted, ...left] = await Promise.all([
        managers[0].evict(DEAD, "server-down"),
        ...uids.map((uid) => managers[1].leave("room", uid, "s1")),
      ]);
      await managers[0].add("room", "last", "s1");

      assert.equal(evicted + left.filter(Boolean).length, 100);
      await eventually(() => {
        assertSameItems(log.members("room", "s1"), ["last"]);
        assertSameItems(
          log.told("leave").map(({ uid }) => uid),
          uids,
        );
      });
    },
  ),

  managerCase("evict › forgets the sessions there, and those only", ["eviction", "presence"], async ({ open }) => {
    const manager = await open();
    for (const uid of ["ann", "ben"]) await manager.connect(uid, "s1", "i1");
    await manager.connect("ann", "s2", "i2");
    await manager.add("room", "ann", "s1");

    assert.equal(await manager.evict(DEAD, "server-down"), 1, "sessions are not counted");

    const [ann = [], ben = []] = await manager.getSessions(["ann", "ben"]);
    assertSameItems(ann, [{ sid: "s2", incarnation: "i2" }]);
    assertSameItems(ben, []);
    assert.deepEqual(await manager.countUsers(["s1", "s2"]), [0, 1]);
    await manager.connect("ben", "s1", "i1");
    assert.deepEqual(await manager.countUsers(["s1", "s2"]), [1, 1]);
  }),
];
