import assert from "node:assert/strict";
import { chunks } from "../../batches.js";
import type { MemberSetInfo, Version } from "../../types.js";
import { assertSameItems, eventually, numbered, sum } from "../expect.js";
import { ChangeLog, parseVersion } from "./change-log.js";
import { type ManagerWith, managerCase } from "./manager-case.js";

/** The version of `name` at `sid`, which both ways of asking must agree on. */
async function versionOf(manager: ManagerWith<"versions">, name = "room", sid = "s1"): Promise<Version | undefined> {
  const listed = (await manager.getMemberSets(name)).filter((set) => set.sid === sid);
  const read = await manager.readMemberSet(name, sid);
  assert.deepEqual(
    listed.map(({ version, count }) => ({ version, count })),
    read.version === undefined ? [] : [{ version: read.version, count: read.uids.length }],
  );
  return read.version;
}

export const versionCases = [
  managerCase("getMemberSets › lists the sets that have members, with how many", ["versions"], async ({ open }) => {
    const manager = await open();
    assert.deepEqual(await manager.getMemberSets("room"), []);
    await manager.add("room", "ann", "s1");
    await manager.add("room", "ben", "s1");
    await manager.add("room", "ann", "s2");
    await manager.add("hall", "ann", "s3");

    const counts = async () => (await manager.getMemberSets("room")).map(({ sid, count }) => ({ sid, count }));
    assertSameItems(await counts(), [
      { sid: "s1", count: 2 },
      { sid: "s2", count: 1 },
    ]);
    await manager.leave("room", "ann", "s2");
    assertSameItems(await counts(), [{ sid: "s1", count: 2 }]);
    await manager.destroyChannel("room");
    assertSameItems(await counts(), []);
    await manager.add("room", "ann", "s2");
    assertSameItems(await counts(), [{ sid: "s2", count: 1 }]);
  }),

  managerCase("getMemberSets › concurrent adds and leaves are all counted", ["versions"], async ({ open }) => {
    const managers = [await open(), await open()] as const;

    await Promise.all(
      numbered("u", 200).map(async (uid, index) => {
        await managers[index % 2 === 0 ? 0 : 1].add("room", uid, `s${index % 4}`);
        if (index % 10 === 0) await managers[0].leave("room", uid, `s${index % 4}`);
      }),
    );

    const sets = await managers[0].getMemberSets("room");
    assert.equal(sum(sets.map(({ count }) => count)), 180);
    for (const { sid } of sets) await versionOf(managers[0], "room", sid);
  }),

  managerCase("getMemberSets › tells of all sets, whatever copies the caller has", ["versions"], async ({ open }) => {
    const manager = await open();
    for (const sid of ["s1", "s2", "s3"]) await manager.add("room", "ann", sid);
    const versions = async (copies?: ReadonlyMap<string, Version | undefined>) =>
      (await manager.getMemberSets("room", copies)).map(({ sid, version, count }) => ({ sid, version, count }));
    const all = await versions();

    assertSameItems(await versions(new Map()), all);
    assertSameItems(await versions(new Map([["s1", undefined]])), all);
    assertSameItems(await versions(new Map([["s1", await versionOf(manager)]])), all);
    assertSameItems(await versions(new Map([["s4", "other.1"]])), all);
    assert.deepEqual(await manager.getMemberSets("hall", new Map([["s1", undefined]])), []);
  }),

  managerCase(
    "getMemberSets › members that come along are all those of the version that comes with them",
    ["versions"],
    async ({ open }) => {
      const [manager, writer] = [await open(), await open()];
      for (const sid of ["s1", "s2"]) await manager.add("room", "first", sid);
      const known = await versionOf(manager, "room", "s1");
      const uids = numbered("u", 300);

      const write = async () => {
        for (const [index, uid] of uids.entries()) {
          await writer.add("room", uid, "s1");
          if (index % 3 === 0) await writer.leave("room", uid, "s1");
        }
      };
      const along = new Map<Version, MemberSetInfo>();
      const readOn = async () => {
        for (let count = 0; count < 50; count++) {
          for (const copy of [known, undefined]) {
            const sets = await manager.getMemberSets("room", new Map([["s1", copy]]));
            for (const set of sets) if (set.sid === "s1") along.set(set.version, set);
          }
        }
      };
      await Promise.all([write(), readOn()]);

      // The set's first version is counter 1, and each change adds 1: the counter says which changes were made.
      const history = [new Set(["first"])];
      const change = (apply: (set: Set<string>) => void) => {
        const next = new Set(history.at(-1));
        apply(next);
        history.push(next);
      };
      for (const [index, uid] of uids.entries()) {
        change((set) => set.add(uid));
        if (index % 3 === 0) change((set) => set.delete(uid));
      }
      for (const [version, set] of along) {
        const members = history[parseVersion(version)[1] - 1] ?? new Set();
        assert.equal(set.count, members.size);
        if (set.uids) assertSameItems(set.uids, [...members]);
      }
    },
  ),

  managerCase(
    "getMemberSets › what comes along is never the members of another set",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      await manager.add("room", "ann", "s1");
      await manager.add("room", "ben", "s2");
      await manager.add("hall", "cal", "s1");

      const copies = new Map(["s1", "s2", "s3"].map((sid) => [sid, undefined]));
      for (const { sid, uids } of await manager.getMemberSets("room", copies)) {
        if (uids) assert.deepEqual([...uids], [sid === "s1" ? "ann" : "ben"]);
      }
    },
  ),

  managerCase(
    "version › the first member makes counter 1, each later change adds 1",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      await manager.add("room", "ann", "s1");
      const [epoch, first] = parseVersion(await versionOf(manager));
      assert.equal(first, 1);

      await manager.add("room", "ben", "s1");
      assert.equal(await versionOf(manager), `${epoch}.2`);
      await manager.leave("room", "ann", "s1");
      assert.equal(await versionOf(manager), `${epoch}.3`);
      await manager.add("room", "ann", "s1");
      assert.equal(await versionOf(manager), `${epoch}.4`);
    },
  ),

  managerCase(
    "version › an add of a member raises it even though nothing else changes",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      await manager.add("room", "ann", "s1");
      const [epoch] = parseVersion(await versionOf(manager));

      assert.equal(await manager.add("room", "ann", "s1"), false);

      assert.equal(await versionOf(manager), `${epoch}.2`);
    },
  ),

  managerCase("version › a leave that changes nothing leaves it as it is", ["versions"], async ({ open }) => {
    const manager = await open();
    await manager.add("room", "ann", "s1");
    const before = await versionOf(manager);

    await manager.leave("room", "ben", "s1");
    await manager.leave("room", "ann", "s2");

    assert.equal(await versionOf(manager), before);
  }),

  managerCase("version › a change of one set does not touch another", ["versions"], async ({ open }) => {
    const manager = await open();
    await manager.add("room", "ann", "s1");
    await manager.add("room", "ann", "s2");
    await manager.add("hall", "ann", "s1");
    const before = await versionOf(manager);

    await manager.add("room", "ben", "s2");
    await manager.leave("hall", "ann", "s1");

    assert.equal(await versionOf(manager), before);
  }),

  managerCase("version › a set that was empty begins a new epoch", ["versions"], async ({ open }) => {
    const manager = await open();
    const epochs = new Set<string>();
    const empty = [
      () => manager.leave("room", "ann", "s1"),
      () => manager.destroyChannel("room"),
      async () => manager.leaveIfUnchanged("room", "s1", ["ann"], (await versionOf(manager)) ?? ""),
      () => manager.evict?.({ sid: "s1", incarnation: "i1" }, "server-down") ?? manager.destroyChannel("room"),
      () => manager.leaveMany?.([{ name: "room", uid: "ann", sid: "s1" }]) ?? manager.destroyChannel("room"),
    ];

    for (const emptied of empty) {
      await manager.add("room", "ann", "s1");
      const [epoch, counter] = parseVersion(await versionOf(manager));
      assert.equal(counter, 1);
      epochs.add(epoch);
      await emptied();
      assert.equal(await versionOf(manager), undefined);
    }
    assert.equal(epochs.size, empty.length);
  }),

  managerCase("readMemberSet › an empty set has no version and no uids", ["versions"], async ({ open }) => {
    const manager = await open();
    assert.deepEqual({ ...(await manager.readMemberSet("room", "s1")) }, { version: undefined, uids: [] });

    await manager.add("room", "ann", "s1");
    await manager.leave("room", "ann", "s1");

    assert.deepEqual({ ...(await manager.readMemberSet("room", "s1")) }, { version: undefined, uids: [] });
  }),

  managerCase(
    "readMemberSet › another instance reads the same members at the same version",
    ["versions"],
    async ({ open }) => {
      const [one, other] = [await open(), await open()];
      for (const uid of ["ann", "ben", "cal"]) await one.add("room", uid, "s1");
      await other.leave("room", "ben", "s1");

      const [read, readByOther] = [await one.readMemberSet("room", "s1"), await other.readMemberSet("room", "s1")];

      assert.equal(parseVersion(read.version)[1], 4);
      assert.equal(readByOther.version, read.version);
      assertSameItems(read.uids, ["ann", "cal"]);
      assertSameItems(readByOther.uids, ["ann", "cal"]);
    },
  ),

  managerCase(
    "readMemberSet › a large set read amid changes, and the changes after its version, make the set",
    ["versions"],
    async ({ open }) => {
      const [manager, writer] = [await open(), await open()];
      const uids = numbered("u", 5_000);
      await Promise.all(uids.map((uid) => manager.add("room", uid, "s1")));
      const log = new ChangeLog();
      await manager.watch("s1", log);

      const write = async () => {
        for (const some of chunks(uids.slice(0, 1_000), 50)) {
          await Promise.all(some.map((uid) => writer.leave("room", uid, "s1")));
          await Promise.all(some.slice(0, 25).map((uid) => writer.add("room", uid, "s1")));
          await Promise.all(some.map((uid) => writer.add("room", `${uid}-new`, "s1")));
        }
      };
      const reads: Awaited<ReturnType<typeof manager.readMemberSet>>[] = [];
      const readOn = async () => {
        for (let count = 0; count < 5; count++) reads.push(await manager.readMemberSet("room", "s1"));
      };
      await Promise.all([write(), readOn()]);

      const end = await manager.readMemberSet("room", "s1");
      assert.equal(end.uids.length, 5_500);
      for (const read of reads) {
        await eventually(() => {
          const { version, uids: members } = catchUp(read, log);
          assert.equal(version, end.version);
          assertSameItems(members, end.uids);
        });
      }
    },
  ),

  managerCase(
    "getChannelsBySid › resolves the channels with members there, each once",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      assert.deepEqual(await manager.getChannelsBySid("s1"), []);
      await manager.add("room", "ann", "s1");
      await manager.add("room", "ben", "s1");
      await manager.add("hall", "ann", "s1");
      await manager.add("yard", "ann", "s2");

      assertSameItems(await manager.getChannelsBySid("s1"), ["room", "hall"]);
      assertSameItems(await manager.getChannelsBySid("s2"), ["yard"]);
    },
  ),

  managerCase(
    "getChannelsBySid › a channel goes with its last member there, and comes back",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      for (const name of ["room", "hall"]) for (const uid of ["ann", "ben"]) await manager.add(name, uid, "s1");

      await manager.leave("room", "ann", "s1");
      assertSameItems(await manager.getChannelsBySid("s1"), ["room", "hall"]);
      await manager.leave("room", "ben", "s1");
      assertSameItems(await manager.getChannelsBySid("s1"), ["hall"]);
      await manager.destroyChannel("hall");
      assertSameItems(await manager.getChannelsBySid("s1"), []);
      await manager.add("hall", "ann", "s1");
      assertSameItems(await manager.getChannelsBySid("s1"), ["hall"]);
    },
  ),
];

/** What was read, brought up to date by the changes after its version. */
function catchUp(read: { version: Version | undefined; uids: string[] }, log: ChangeLog) {
  const [epoch, from] = parseVersion(read.version);
  const members = new Set(read.uids);
  let counter = from;
  for (const change of log.changes) {
    assert.ok(change.type !== "clear" && change.version !== undefined, "the set was never empty");
    const [changeEpoch, changeCounter] = parseVersion(change.version);
    assert.equal(changeEpoch, epoch);
    if (changeCounter <= from) continue;
    assert.equal(changeCounter, ++counter, "a change is missing or out of order");
    for (const uid of change.uids) {
      if (change.type === "join") members.add(uid);
      else members.delete(uid);
    }
  }
  return { version: `${epoch}.${counter}`, uids: [...members] };
}
