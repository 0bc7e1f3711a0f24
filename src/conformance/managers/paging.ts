import assert from "node:assert/strict";
import { assertSameItems, numbered } from "../expect.js";
import { type ManagerWith, managerCase } from "./manager-case.js";
import { readPages } from "./pages.js";

/** The uids on the pages of `room` at `s1`. */
async function scan(
  manager: ManagerWith<"queries">,
  limit: number,
  betweenPages?: (pages: number) => Promise<unknown> | undefined,
): Promise<Set<string>> {
  const pages = await readPages(manager, { limit, betweenPages });
  return new Set(pages.flat());
}

const fill = (manager: ManagerWith<"queries">, uids: readonly string[]) =>
  Promise.all(uids.map((uid) => manager.add("room", uid, "s1")));

/** {@link ChannelManager.scanMembers} held to what may happen while somebody turns pages. */
export const pagingCases = [
  managerCase(
    "scanMembers › pages of one member, or of more than there are, have all",
    ["queries"],
    async ({ open }) => {
      const manager = await open();
      const uids = numbered("u", 700);
      await fill(manager, uids);

      assertSameItems([...(await scan(manager, 1))], uids);
      assertSameItems([...(await scan(manager, 100_000))], uids);
      assertSameItems((await manager.scanMembers("room", "s2", "", 1)).uids, []);
    },
  ),

  managerCase("scanMembers › readers at the same time each find every member", ["queries"], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    const uids = numbered("u", 1_500);
    await fill(managers[0], uids);

    const scans = await Promise.all([50, 70, 200, 200].map((limit, index) => scan(managers[index < 2 ? 0 : 1], limit)));

    for (const found of scans) assertSameItems([...found], uids);
  }),

  managerCase(
    "scanMembers › with single members per page, who stays is on one, whoever leaves",
    ["queries"],
    async ({ open }) => {
      const manager = await open();
      const [staying, leaving] = [numbered("stays", 200), numbered("leaves", 600)];
      await fill(manager, [...staying, ...leaving]);

      const found = await scan(manager, 1, () => {
        const uid = leaving.pop();
        return uid === undefined ? undefined : Promise.resolve(manager.leave("room", uid, "s1"));
      });

      assertSameItems(
        staying.filter((uid) => !found.has(uid)),
        [],
        "missed",
      );
    },
  ),

  managerCase("scanMembers › comes to the end of a set that is emptied meanwhile", ["queries"], async ({ open }) => {
    const [manager, other] = [await open(), await open()];
    const uids = numbered("u", 1_000);
    await fill(manager, uids);

    const found = await scan(manager, 50, () => Promise.all(uids.map((uid) => other.leave("room", uid, "s1"))));

    for (const uid of found) assert.ok(uids.includes(uid), `${uid} was never there`);
    assertSameItems([...(await scan(manager, 50))], []);
  }),

  managerCase(
    "scanMembers › comes to the end of a channel that ends and begins again meanwhile",
    ["queries"],
    async ({ open }) => {
      const [manager, other] = [await open(), await open()];
      const [before, after] = [numbered("before", 1_000), numbered("after", 1_000)];
      await fill(manager, before);

      const found = await scan(manager, 50, async (pages) => {
        if (pages !== 2) return;
        await other.destroyChannel("room");
        await fill(other, after);
      });

      const everThere = new Set([...before, ...after]);
      for (const uid of found) assert.ok(everThere.has(uid), `${uid} was never there`);
      assertSameItems([...(await scan(manager, 50))], after);
    },
  ),

  managerCase("findMember › at each of 200 frontends, until it leaves them", ["queries"], async ({ open }) => {
    const [manager, other] = [await open(), await open()];
    const sids = numbered("s", 200);
    await Promise.all(sids.map((sid) => manager.add("room", "ann", sid)));
    assertSameItems(await other.findMember("room", "ann"), sids);

    await Promise.all(sids.slice(1).map((sid) => other.leave("room", "ann", sid)));

    assertSameItems(await manager.findMember("room", "ann"), ["s0"]);
  }),
];
