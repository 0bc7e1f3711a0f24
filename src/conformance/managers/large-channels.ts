import assert from "node:assert/strict";
import { chunks } from "../../batches.js";
import type { Membership } from "../../types.js";
import { assertSameItems, numbered, sum } from "../expect.js";
import { ChangeLog, catchesUp } from "./change-log.js";
import { type ManagerWith, managerCase } from "./manager-case.js";
import { readPages } from "./pages.js";

const SIDS = ["s1", "s2", "s3", "s4"] as const;
/** A quarter of them is at each frontend. */
const MEMBERS: readonly Membership[] = numbered("u", 100_000).map((uid, index) => ({
  name: "room",
  uid,
  sid: SIDS[index % SIDS.length]!,
}));
/** How many are given to one call, and asked for in one page. */
const CHUNK = 10_000;

const uidsAt = (sid: string, members: readonly Membership[] = MEMBERS) =>
  members.filter((member) => member.sid === sid).map(({ uid }) => uid);

/** Makes a call for each chunk, one after the other; resolves the sum of what they resolve. */
async function inChunks(
  members: readonly Membership[],
  call: (chunk: readonly Membership[]) => Promise<number> | number,
): Promise<number> {
  const counts: number[] = [];
  for (const chunk of chunks(members, CHUNK)) counts.push(await call(chunk));
  return sum(counts);
}

const fill = (manager: ManagerWith<"bulk">) => inChunks(MEMBERS, (chunk) => manager.addMany(chunk));

export const largeChannelCases = [
  managerCase(
    "100,000 members › join, are read, leave in part and end with the channel, each counted once",
    ["bulk"],
    async ({ open }) => {
      const [manager, other] = [await open(), await open()];

      assert.equal(await fill(manager), 100_000);
      assert.equal(await other.addMany(MEMBERS.slice(0, CHUNK)), 0);
      for (const sid of SIDS) assertSameItems(await other.getMembersBySid("room", sid), uidsAt(sid), sid);

      const [leaving, staying] = [MEMBERS.slice(0, 30_000), MEMBERS.slice(30_000)];
      assert.equal(await inChunks(leaving, (chunk) => other.leaveMany(chunk)), 30_000);
      for (const sid of SIDS) assertSameItems(await manager.getMembersBySid("room", sid), uidsAt(sid, staying), sid);

      assert.equal(await manager.destroyChannel("room"), 70_000);
      for (const sid of SIDS) assertSameItems(await other.getMembersBySid("room", sid), [], sid);
      assert.equal(await other.add("room", "u0", "s1"), true);
    },
  ),

  managerCase("100,000 members › are counted, read and told at their versions", ["bulk", "versions"], async (stage) => {
    const [manager, writer] = [await stage.open(), await stage.open()];
    const log = new ChangeLog();
    await manager.watch("s1", log);
    const counts = async () => (await manager.getMemberSets("room")).map(({ sid, count }) => ({ sid, count }));

    await fill(writer);
    assertSameItems(
      await counts(),
      SIDS.map((sid) => ({ sid, count: 25_000 })),
    );
    await catchesUp(log, manager);
    assertSameItems((await manager.readMemberSet("room", "s1")).uids, uidsAt("s1"));

    await inChunks(MEMBERS.slice(0, 50_000), (chunk) => writer.leaveMany(chunk));
    assertSameItems(
      await counts(),
      SIDS.map((sid) => ({ sid, count: 12_500 })),
    );
    await catchesUp(log, manager);
    await writer.destroyChannel("room");
    assertSameItems(await counts(), []);
  }),

  managerCase("100,000 members › are on pages, and each is found", ["bulk", "queries"], async ({ open }) => {
    const manager = await open();
    await fill(manager);

    for (const sid of SIDS) {
      const pages = await readPages(manager, { sid, limit: CHUNK, maxPages: 1_000 });
      assertSameItems([...new Set(pages.flat())], uidsAt(sid), sid);
    }
    for (const { uid, sid } of MEMBERS.filter((_, index) => index % 9_999 === 0)) {
      assert.deepEqual(await manager.findMember("room", uid), [sid]);
    }
    assert.deepEqual(await manager.findMember("room", "u100000"), []);
  }),

  managerCase(
    "100,000 members › of a dead frontend are evicted, and no others",
    ["bulk", "eviction"],
    async (stage) => {
      const manager = await stage.open();
      const other = { name: "room", uid: "u0", sid: "s2" };
      await manager.addMany([other]);
      await inChunks(MEMBERS, (chunk) => manager.addMany(chunk.map((member) => ({ ...member, sid: "s1" }))));

      assert.equal(await manager.evict({ sid: "s1", incarnation: "i1" }, "server-down"), 100_000);

      assertSameItems(await manager.getServers(), ["s2"]);
      assertSameItems(await manager.getMembersBySid("room", "s1"), []);
      assertSameItems(await manager.getMembersBySid("room", "s2"), ["u0"]);
    },
  ),
];
