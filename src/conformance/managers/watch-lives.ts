import assert from "node:assert/strict";
import { chunks } from "../../batches.js";
import type { MemberSetChange, Unsubscribe } from "../../types.js";
import { assertSameItems, eventually, numbered } from "../expect.js";
import { ChangeLog, catchesUp, parseVersion } from "./change-log.js";
import { Follower } from "./follower.js";
import { managerCase } from "./manager-case.js";

/** {@link ChannelManager.watch} from its beginning to its end. */
export const watchLifeCases = [
  managerCase("watch › that begins amid a set tells of each later change", ["versions"], async ({ open }) => {
    const [manager, writer] = [await open(), await open()];
    for (const uid of numbered("u", 20)) await writer.add("room", uid, "s1");
    const log = new ChangeLog();
    await manager.watch("s1", log);
    const [epoch, from] = parseVersion((await manager.readMemberSet("room", "s1")).version);

    const later = numbered("v", 20);
    for (const uid of later) await writer.add("room", uid, "s1");

    const told = () =>
      log.changes.flatMap((change) =>
        change.type === "join" && parseVersion(change.version)[1] > from ? [[change.version, ...change.uids]] : [],
      );
    await eventually(() => {
      assert.deepEqual(
        told(),
        later.map((uid, index) => [`${epoch}.${from + 1 + index}`, uid]),
      );
    });
  }),

  managerCase("watch › can be ended by its own listener, and others go on", ["versions"], async ({ open }) => {
    const manager = await open();
    const [ended, going] = [new ChangeLog(), new ChangeLog()];
    let end: Promise<void> | undefined;
    let unwatch: Unsubscribe = () => {};
    unwatch = await manager.watch("s1", {
      change(change: MemberSetChange) {
        ended.change(change);
        end ??= Promise.resolve(unwatch());
      },
    });
    await manager.watch("s1", going);

    await manager.add("room", "ann", "s1");
    await eventually(() => assert.ok(end, "nothing was told"));
    await end;
    for (const uid of ["ben", "cal"]) await manager.add("room", uid, "s1");

    await catchesUp(going, manager);
    assertSameItems(going.members("room", "s1"), ["ann", "ben", "cal"]);
    assertSameItems(
      ended.told("join").map(({ uid }) => uid),
      ["ann"],
    );
  }),

  managerCase(
    "watch › a listener may change the set, and the others are told of the changes in order",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      const log = new ChangeLog();
      const adds: unknown[] = [];
      await manager.watch("s1", {
        change({ name, sid }: MemberSetChange) {
          if (adds.length < 10) adds.push(manager.add(name, `after-${adds.length}`, sid));
        },
      });
      await manager.watch("s1", log);

      await manager.add("room", "ann", "s1");

      await eventually(() => assert.equal(adds.length, 10, "the listener was not told of its own changes"));
      await Promise.all(adds);
      // replay() holds the versions to their order.
      await catchesUp(log, manager);
    },
  ),

  managerCase(
    "watch › who is told of the end of a channel may begin it anew, and stays in it",
    ["versions"],
    async ({ open }) => {
      const manager = await open();
      for (const sid of ["s1", "s2", "s3"]) await manager.add("room", "ann", sid);
      const adds: unknown[] = [];
      for (const sid of ["s1", "s3"]) {
        await manager.watch(sid, {
          change({ type, name }: MemberSetChange) {
            if (type === "clear") adds.push(manager.add(name, "ben", "s2"));
          },
        });
      }
      const log = new ChangeLog();
      await manager.watch("s2", log);

      assert.equal(await manager.destroyChannel("room"), 3);
      await eventually(() => assert.equal(adds.length, 2, "the end was not told"));
      await Promise.all(adds);

      assertSameItems(await manager.getMembersBySid("room", "s2"), ["ben"]);
      const { version } = await manager.readMemberSet("room", "s2");
      await eventually(() => {
        const last = log.changes.findLast(({ type }) => type === "join");
        assert.equal(last?.type === "join" && last.version, version);
        assertSameItems(log.told("leave"), [{ name: "room", uid: "ann", sid: "s2", reason: "destroyed" }]);
      });
    },
  ),

  managerCase(
    "watch › that begins and ends many times at many frontends misses nothing",
    ["versions"],
    async (stage) => {
      const [manager, writer] = [await stage.open(), await stage.open()];
      const sids = numbered("s", 50);

      for (let round = 0; round < 3; round++) {
        const logs = sids.map(() => new ChangeLog());
        const unwatches = await Promise.all(sids.map((sid, index) => manager.watch(sid, logs[index]!)));
        await Promise.all(sids.map((sid) => writer.add("room", `u${round}`, sid)));
        await eventually(() => {
          for (const log of logs)
            assert.deepEqual(
              log.told("join").map(({ uid }) => uid),
              [`u${round}`],
            );
        });
        await Promise.all(unwatches.map((unwatch) => unwatch()));
      }
    },
  ),

  managerCase(
    "watch, watchAll › of one instance are both told, and the end of the one is not the end of the other",
    ["versions", "events"],
    async ({ open }) => {
      const manager = await open();
      const [one, all] = [new ChangeLog(), new ChangeLog()];
      const unwatch = await manager.watch("s1", one);
      await manager.watchAll(all);
      const joined = (log: ChangeLog) => log.told("join").map(({ uid }) => uid);

      await manager.add("room", "ann", "s1");
      await eventually(() => assert.deepEqual([joined(one), joined(all)], [["ann"], ["ann"]]));
      await unwatch();
      await manager.add("room", "ben", "s1");

      await eventually(() => assert.deepEqual(joined(all), ["ann", "ben"]));
      assert.deepEqual(joined(one), ["ann"]);
    },
  ),

  managerCase("watchAll › tells of frontends and channels that were not there before", ["events"], async ({ open }) => {
    const [manager, writer] = [await open(), await open()];
    const log = new ChangeLog();
    await manager.watchAll(log);
    const memberships = numbered("", 300).map((id) => ({ name: `room${id}`, uid: `u${id}`, sid: `s${id}` }));

    await Promise.all(memberships.map(({ name, uid, sid }) => writer.add(name, uid, sid)));
    // Not all at once: a store may refuse what has had to wait for long.
    for (const some of chunks(memberships, 100)) {
      await Promise.all(some.map(({ name }) => writer.destroyChannel(name)));
    }

    await eventually(() => {
      assertSameItems(
        log.told("join"),
        memberships.map((membership) => ({ ...membership, reason: "join" })),
      );
      assertSameItems(
        log.told("leave"),
        memberships.map((membership) => ({ ...membership, reason: "destroyed" })),
      );
    });
  }),

  managerCase(
    "readMemberSet › read while the channel ends and begins again, it makes the set together with the changes",
    ["versions"],
    async ({ open }) => {
      const [manager, writer] = [await open(), await open()];
      const followers = numbered("", 20).map(() => new Follower("s1"));
      for (const follower of followers) await manager.watch("s1", follower);
      const uids = numbered("u", 1_500);

      const write = async () => {
        for (let round = 0; round < 4; round++) {
          await Promise.all(uids.slice(round).map((uid) => writer.add("room", uid, "s1")));
          await Promise.all(uids.slice(0, 40).map((uid) => writer.leave("room", uid, "s1")));
          if (round < 3) await writer.destroyChannel("room");
        }
      };
      const readOn = async () => {
        for (const follower of followers) {
          follower.gap();
          await follower.read(manager, "room");
        }
      };
      await Promise.all([write(), readOn()]);

      const end = await manager.readMemberSet("room", "s1");
      assertSameItems(end.uids, uids.slice(40));
      for (const follower of followers) {
        await eventually(async () => {
          const copy = await follower.read(manager, "room");
          assert.equal(copy.version, end.version);
          assertSameItems([...copy.uids], end.uids);
        });
      }
    },
  ),
];
