import assert from "node:assert/strict";
import { assertSameItems, eventually } from "../expect.js";
import { AWKWARD_NAMES, COLLIDING_PAIRS } from "../samples.js";
import { ChangeLog } from "./change-log.js";
import { managerCase } from "./manager-case.js";

/** Every name with another one as the uid and a third one as the sid. */
const MEMBERSHIPS = AWKWARD_NAMES.map((name, index) => ({
  name,
  uid: AWKWARD_NAMES.at(index - 1)!,
  sid: AWKWARD_NAMES.at(index - 2)!,
}));

const withReason = <T extends object>(memberships: readonly T[], reason: string) =>
  memberships.map((membership) => ({ ...membership, reason }));

/** {@link nameCases} for what is told of changes, and for what depends on versions. */
export const changedNameCases = [
  managerCase("names › watchers of every frontend are told of its members only", ["versions"], async ({ open }) => {
    const [manager, writer] = [await open(), await open()];
    const sids = [...new Set(COLLIDING_PAIRS.map(([, sid]) => sid))];
    const logs = new Map(sids.map((sid) => [sid, new ChangeLog()]));
    for (const [sid, log] of logs) await manager.watch(sid, log);

    for (const [name, sid] of COLLIDING_PAIRS) await writer.add(name, JSON.stringify([name, sid]), sid);

    for (const [sid, log] of logs) {
      const expected = COLLIDING_PAIRS.filter(([, other]) => other === sid).map(([name]) => {
        return { name, uid: JSON.stringify([name, sid]), sid, reason: "join" };
      });
      await eventually(() => assertSameItems(log.told("join"), expected, sid));
    }
  }),

  managerCase(
    "names › leaves and ends of channels tell of every name as it was given",
    ["versions"],
    async ({ open }) => {
      const [manager, writer] = [await open(), await open()];
      const log = new ChangeLog();
      for (const sid of AWKWARD_NAMES) await manager.watch(sid, log);
      const [leaving, ending] = [MEMBERSHIPS.slice(0, 100), MEMBERSHIPS.slice(100)];
      await Promise.all(MEMBERSHIPS.map(({ name, uid, sid }) => writer.add(name, uid, sid)));

      await Promise.all(leaving.map(({ name, uid, sid }) => writer.leave(name, uid, sid)));
      await Promise.all(ending.map(({ name }) => writer.destroyChannel(name)));

      await eventually(() => {
        assertSameItems(log.told("join"), withReason(MEMBERSHIPS, "join"));
        assertSameItems(log.told("leave"), [...withReason(leaving, "leave"), ...withReason(ending, "destroyed")]);
      });
    },
  ),

  managerCase(
    "names › bulk changes tell every watcher of every name as it was given",
    ["bulk", "events"],
    async ({ open }) => {
      const [manager, writer] = [await open(), await open()];
      const log = new ChangeLog();
      await manager.watchAll(log);
      const inOneRoom = AWKWARD_NAMES.map((uid) => ({ name: "room", uid, sid: "s1" }));
      const all = [...MEMBERSHIPS, ...inOneRoom];

      await writer.addMany(all);
      await writer.leaveMany(all, "disconnect");

      await eventually(() => {
        assertSameItems(log.told("join"), withReason(all, "join"));
        assertSameItems(log.told("leave"), withReason(all, "disconnect"));
      });
    },
  ),

  managerCase("names › an eviction tells of every name as it was given", ["eviction", "events"], async ({ open }) => {
    const [manager, writer] = [await open(), await open()];
    const log = new ChangeLog();
    await manager.watchAll(log);
    await Promise.all(MEMBERSHIPS.map(({ name, uid, sid }) => writer.add(name, uid, sid)));

    for (const sid of AWKWARD_NAMES) await writer.evict({ sid, incarnation: sid }, "server-down");

    await eventually(() => assertSameItems(log.told("leave"), withReason(MEMBERSHIPS, "server-down")));
  }),

  managerCase(
    "names › copies and conditional leaves concern the sets of just those names",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      await Promise.all(AWKWARD_NAMES.map((name) => manager.add("room", name, name)));
      const copies = new Map(AWKWARD_NAMES.map((sid) => [sid, undefined]));

      const sets = await manager.getMemberSets("room", copies);
      assertSameItems(
        sets.map(({ sid, count }) => ({ sid, count })),
        AWKWARD_NAMES.map((sid) => ({ sid, count: 1 })),
      );
      for (const { sid, uids } of sets) if (uids) assert.deepEqual([...uids], [sid]);

      await Promise.all(
        AWKWARD_NAMES.map(async (name) => {
          const { version, uids } = await manager.readMemberSet("room", name);
          assert.deepEqual(uids, [name]);
          assert.equal(await manager.leaveIfUnchanged("room", name, AWKWARD_NAMES, version ?? ""), 1, name);
        }),
      );
      assert.deepEqual(await manager.getMemberSets("room"), []);
    },
  ),
];
