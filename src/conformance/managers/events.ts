import assert from "node:assert/strict";
import { assertSameItems, eventually, numbered } from "../expect.js";
import { ChangeLog } from "./change-log.js";
import { managerCase } from "./manager-case.js";

const memberships = (uids: readonly string[], reason: string, name = "room", sid = "s1") =>
  uids.map((uid) => ({ name, uid, sid, reason }));

export const eventCases = [
  managerCase("watchAll › tells of the changes at every frontend, in every channel", ["events"], async ({ open }) => {
    const [manager, writer] = [await open(), await open()];
    const log = new ChangeLog();
    await manager.watchAll(log);

    await manager.add("room", "ann", "s1");
    await writer.add("hall", "ann", "s2");
    await writer.leave("room", "ann", "s1");

    await eventually(() => {
      assertSameItems(log.told("join"), [
        ...memberships(["ann"], "join"),
        ...memberships(["ann"], "join", "hall", "s2"),
      ]);
      assertSameItems(log.told("leave"), memberships(["ann"], "leave"));
    });
    assertSameItems(log.members("hall", "s2"), ["ann"]);
  }),

  managerCase(
    "watchAll › of 100 concurrent adds, then leaves, of one member each one change is told",
    ["events"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[1].watchAll(log);
      const concurrently = (call: (manager: (typeof managers)[number]) => unknown) =>
        Promise.all(numbered("", 100).map((_, index) => call(managers[index % 2 === 0 ? 0 : 1])));

      await concurrently((manager) => manager.add("room", "ann", "s1"));
      await concurrently((manager) => manager.leave("room", "ann", "s1"));
      await managers[0].add("room", "last", "s1");

      await eventually(() => assertSameItems(log.members("room", "s1"), ["last"]));
      assertSameItems(log.told("join"), memberships(["ann", "last"], "join"));
      assertSameItems(log.told("leave"), memberships(["ann"], "leave"));
    },
  ),

  managerCase("watchAll › concurrent ends of a channel tell of each member once", ["events"], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    const log = new ChangeLog();
    await managers[0].watchAll(log);
    const uids = numbered("u", 40);
    await Promise.all(["s1", "s2"].flatMap((sid) => uids.map((uid) => managers[0].add("room", uid, sid))));

    await Promise.all(numbered("", 10).map((_, index) => managers[index % 2 === 0 ? 0 : 1].destroyChannel("room")));
    await managers[0].add("room", "last", "s1");

    await eventually(() => {
      assertSameItems(log.members("room", "s1"), ["last"]);
      assertSameItems(
        log.told("leave"),
        ["s1", "s2"].flatMap((sid) => memberships(uids, "destroyed", "room", sid)),
      );
    });
  }),

  managerCase(
    "watchAll › can begin again, and an ended watch that is ended again does not end the new one",
    ["events"],
    async ({ open }) => {
      const manager = await open();
      const log = new ChangeLog();
      const unwatch = await manager.watchAll(log);
      await unwatch();

      await manager.watchAll(log);
      await unwatch();
      await manager.add("room", "ben", "s1");

      await eventually(() => assertSameItems(log.told("join"), memberships(["ben"], "join")));
    },
  ),

  managerCase("watchAll › tells nothing after its end, and others go on", ["events"], async ({ open }) => {
    const manager = await open();
    const [ended, going] = [new ChangeLog(), new ChangeLog()];
    const unwatch = await manager.watchAll(ended);
    await manager.watchAll(going);

    await unwatch();
    await unwatch();
    await manager.add("room", "ann", "s1");

    await eventually(() => assertSameItems(going.told("join"), memberships(["ann"], "join")));
    assert.deepEqual(ended.changes, []);
  }),
];
