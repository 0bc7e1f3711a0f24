import assert from "node:assert/strict";
import { assertSameItems, eventually } from "../expect.js";
import { AWKWARD_NAMES } from "../samples.js";
import { ChangeLog, catchesUp, parseVersion } from "./change-log.js";
import { managerCase } from "./manager-case.js";

export const watchCases = [
  managerCase("watch › tells of an add and a leave: who, where, which version, why", ["versions"], async ({ open }) => {
    const manager = await open();
    const log = new ChangeLog();
    await manager.watch("s1", log);

    await manager.add("room", "ann", "s1");
    const { version } = await manager.readMemberSet("room", "s1");
    await manager.leave("room", "ann", "s1");

    await eventually(() => assert.equal(log.changes.length, 2));
    const [epoch] = parseVersion(version);
    // Whether the channel began or ended is for those who watch all of it.
    const changes = log.changes.map((change) => ({ ...change, created: undefined, emptied: undefined }));
    assertSameItems(changes, [
      { type: "join", name: "room", sid: "s1", version, uids: ["ann"], reason: "join" },
      { type: "leave", name: "room", sid: "s1", version: `${epoch}.2`, uids: ["ann"], reason: "leave" },
    ]);
    assert.equal(log.changes[0]?.type, "join");
  }),

  managerCase("watch › tells nothing of other frontends", ["versions"], async ({ open }) => {
    const manager = await open();
    const log = new ChangeLog();
    await manager.watch("s1", log);

    for (const sid of ["s2", "s", "s11", "S1", "*"]) await manager.add("room", "ann", sid);
    await manager.add("room", "last", "s1");

    await eventually(() => assert.equal(log.told("join").at(-1)?.uid, "last"));
    assertSameItems(log.told("join"), [{ name: "room", uid: "last", sid: "s1", reason: "join" }]);
  }),

  managerCase("watch › tells of what another instance changes", ["versions"], async ({ open }) => {
    const [manager, writer] = [await open(), await open()];
    const log = new ChangeLog();
    await manager.watch("s1", log);

    for (const uid of ["ann", "ben", "cal"]) await writer.add("room", uid, "s1");
    await writer.leave("room", "ben", "s1");

    await catchesUp(log, manager);
    assertSameItems(log.members("room", "s1"), ["ann", "cal"]);
  }),

  managerCase(
    "watch › an add of a member is told as the next version, in which nobody joins",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      const log = new ChangeLog();
      await manager.watch("s1", log);
      await manager.add("room", "ann", "s1");

      await manager.add("room", "ann", "s1");
      await manager.add("room", "ben", "s1");

      await catchesUp(log, manager);
      assert.equal(parseVersion(log.lastVersion("room", "s1"))[1], 3);
      assertSameItems(
        log.told("join").map(({ uid }) => uid),
        ["ann", "ben"],
      );
    },
  ),

  managerCase("watch › a leave that changes nothing is not told", ["versions"], async ({ open }) => {
    const manager = await open();
    const log = new ChangeLog();
    await manager.watch("s1", log);

    await manager.leave("room", "ann", "s1");
    await manager.add("room", "ann", "s1");
    await manager.leave("room", "ben", "s1");
    await manager.add("room", "last", "s1");

    await catchesUp(log, manager);
    assert.equal(log.changes.length, 2);
  }),

  managerCase("watch › every name is told as it was given", ["versions"], async ({ open }) => {
    const [manager, writer] = [await open(), await open()];
    const logs = AWKWARD_NAMES.map(() => new ChangeLog());
    await Promise.all(AWKWARD_NAMES.map((sid, index) => manager.watch(sid, logs[index]!)));

    await Promise.all(AWKWARD_NAMES.map((name) => writer.add(name, name, name)));

    await eventually(() => {
      for (const [index, name] of AWKWARD_NAMES.entries()) {
        assertSameItems(logs[index]!.told("join"), [{ name, uid: name, sid: name, reason: "join" }], name);
      }
    });
  }),

  managerCase("watch › every listener is told, until its own watch ends", ["versions"], async ({ open }) => {
    const manager = await open();
    const [first, second] = [new ChangeLog(), new ChangeLog()];
    const unwatch = await manager.watch("s1", first);
    await manager.watch("s1", second);
    await manager.add("room", "ann", "s1");
    for (const log of [first, second]) await catchesUp(log, manager);

    await unwatch();
    await unwatch();
    await manager.add("room", "ben", "s1");

    await catchesUp(second, manager);
    assertSameItems(
      first.told("join").map(({ uid }) => uid),
      ["ann"],
    );
  }),

  managerCase(
    "watch › can begin again, and an ended watch that is ended again does not end the new one",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      const log = new ChangeLog();
      await manager.watch("s1", new ChangeLog());
      const unwatch = await manager.watch("s1", log);
      await unwatch();

      await manager.watch("s1", log);
      await unwatch();
      await manager.add("room", "ben", "s1");

      await catchesUp(log, manager);
      assertSameItems(
        log.told("join").map(({ uid }) => uid),
        ["ben"],
      );
    },
  ),
];
