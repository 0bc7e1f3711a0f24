import assert from "node:assert/strict";
import type { Membership } from "../../types.js";
import { assertSameItems, eventually, numbered } from "../expect.js";
import { ChangeLog, catchesUp, parseVersion } from "./change-log.js";
import { managerCase } from "./manager-case.js";

/** {@link ChannelManager.watch} held to the many ways in which a set can change. */
export const watchedChangeCases = [
  managerCase(
    "watch › the versions of concurrent adds have no hole and come in order",
    ["versions"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[0].watch("s1", log);

      const uids = numbered("u", 300);
      await Promise.all(
        managers.map(async (manager, half) => {
          for (const [index, uid] of uids.entries()) if (index % 2 === half) await manager.add("room", uid, "s1");
        }),
      );

      await catchesUp(log, managers[0]);
      assert.equal(parseVersion(log.lastVersion("room", "s1"))[1], 300);

      // Those of one moment may be fewer changes than adds.
      const more = numbered("v", 300);
      await Promise.all(more.map((uid, index) => managers[index % 2 === 0 ? 0 : 1].add("room", uid, "s1")));

      await catchesUp(log, managers[0]);
      assertSameItems(log.members("room", "s1"), [...uids, ...more]);
    },
  ),

  managerCase(
    "watch › under concurrent adds, leaves and ends of the channel the changes make the set",
    ["versions"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[0].watch("s1", log);

      await Promise.all(
        numbered("", 400).map(async (_, index) => {
          const manager = managers[index % 2 === 0 ? 0 : 1];
          if (index % 40 === 39) await manager.destroyChannel("room");
          else if (index % 3 === 0) await manager.leave("room", `u${index % 7}`, "s1");
          else await manager.add("room", `u${index % 5}`, "s1");
        }),
      );
      await managers[0].add("room", "last", "s1");

      await catchesUp(log, managers[0]);
      await eventually(() => {
        for (const { cleared } of log.replay().values())
          assertSameItems([...cleared], [], "cleared, but no leave told");
      });
    },
  ),

  managerCase("watch › the end of a channel tells once of everyone who was in it", ["versions"], async ({ open }) => {
    const manager = await open();
    const log = new ChangeLog();
    await manager.watch("s1", log);
    const uids = numbered("u", 50);
    for (const uid of uids) await manager.add("room", uid, "s1");
    await manager.add("room", "elsewhere", "s2");
    await manager.add("hall", "ann", "s1");

    await manager.destroyChannel("room");
    await manager.add("room", "ann", "s1");

    await catchesUp(log, manager);
    await eventually(() => {
      assertSameItems(
        log.told("leave"),
        uids.map((uid) => ({ name: "room", uid, sid: "s1", reason: "destroyed" })),
      );
    });
    assertSameItems(log.members("hall", "s1"), ["ann"]);
  }),

  managerCase("watch › a set that was empty is told from version 1 of a new epoch", ["versions"], async ({ open }) => {
    const manager = await open();
    const log = new ChangeLog();
    await manager.watch("s1", log);

    for (let round = 0; round < 3; round++) {
      await manager.add("room", "ann", "s1");
      await catchesUp(log, manager);
      await manager.leave("room", "ann", "s1");
    }

    // replay() has held each first version to counter 1 and to an epoch of its own.
    await eventually(() => assert.equal(log.changes.length, 6));
    assertSameItems(log.members("room", "s1"), []);
  }),

  managerCase("watch › a conditional leave is told like any other", ["versions"], async ({ open }) => {
    const manager = await open();
    const log = new ChangeLog();
    await manager.watch("s1", log);
    for (const uid of ["ann", "ben", "cal"]) await manager.add("room", uid, "s1");
    const { version } = await manager.readMemberSet("room", "s1");

    await manager.leaveIfUnchanged("room", "s1", ["ann", "ben"], version ?? "");
    await manager.add("room", "dan", "s1");

    await catchesUp(log, manager);
    assertSameItems(
      log.told("leave").map(({ uid }) => uid),
      ["ann", "ben"],
    );
  }),

  managerCase(
    "watch › bulk changes are told with the reason that was given",
    ["versions", "bulk"],
    async ({ open }) => {
      const manager = await open();
      const log = new ChangeLog();
      await manager.watch("s1", log);
      const [ann, ben] = ["ann", "ben"].map((uid) => ({ name: "room", uid, sid: "s1" })) as [Membership, Membership];

      await manager.addMany([ann, ben], "restored");
      await manager.leaveMany([ann], "disconnect");
      await manager.addMany([ann, ben]);
      await manager.leaveMany([ann, ben]);

      await eventually(() => {
        assert.deepEqual(log.told("join"), [
          { ...ann, reason: "restored" },
          { ...ben, reason: "restored" },
          { ...ann, reason: "join" },
        ]);
        assert.deepEqual(log.told("leave"), [
          { ...ann, reason: "disconnect" },
          { ...ann, reason: "leave" },
          { ...ben, reason: "leave" },
        ]);
      });
      assertSameItems(log.members("room", "s1"), []);
    },
  ),

  managerCase("watch › a bulk change of many members is told in full", ["versions", "bulk"], async ({ open }) => {
    const [manager, writer] = [await open(), await open()];
    const log = new ChangeLog();
    await manager.watch("s1", log);
    const uids = numbered("u", 10_000);

    await writer.addMany(uids.map((uid) => ({ name: "room", uid, sid: "s1" })));
    await writer.leaveMany(uids.slice(0, 5_000).map((uid) => ({ name: "room", uid, sid: "s1" })));

    await catchesUp(log, manager);
    assertSameItems(log.members("room", "s1"), uids.slice(5_000));
  }),
];
