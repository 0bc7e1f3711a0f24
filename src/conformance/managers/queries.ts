import assert from "node:assert/strict";
import { assertSameItems, numbered } from "../expect.js";
import { managerCase } from "./manager-case.js";
import { readPages } from "./pages.js";

const PAGE_LIMIT = 100;

export const queryCases = [
  managerCase(
    "findMember › resolves the frontends at which the user is a member, each once",
    ["queries"],
    async ({ open }) => {
      const manager = await open();
      for (const sid of ["s1", "s2", "s3"]) await manager.add("room", sid === "s3" ? "ben" : "ann", sid);
      await manager.add("hall", "ann", "s4");

      assertSameItems(await manager.findMember("room", "ann"), ["s1", "s2"]);
      assertSameItems(await manager.findMember("room", "ben"), ["s3"]);
    },
  ),

  managerCase("findMember › resolves an empty list for one who is not a member", ["queries"], async ({ open }) => {
    const manager = await open();
    await manager.add("hall", "ann", "s1");

    assert.deepEqual(await manager.findMember("room", "ann"), [], "no such channel");
    assert.deepEqual(await manager.findMember("hall", "ben"), [], "no such member");
  }),

  managerCase("findMember › follows adds, leaves and the end of the channel", ["queries"], async ({ open }) => {
    const manager = await open();
    for (const sid of ["s1", "s2"]) await manager.add("room", "ann", sid);

    await manager.leave("room", "ann", "s1");
    assertSameItems(await manager.findMember("room", "ann"), ["s2"]);
    await manager.destroyChannel("room");
    assertSameItems(await manager.findMember("room", "ann"), []);
    await manager.add("room", "ann", "s1");
    assertSameItems(await manager.findMember("room", "ann"), ["s1"]);
  }),

  managerCase("scanMembers › the pages from the first to the last have every member", ["queries"], async ({ open }) => {
    const manager = await open();
    const uids = numbered("u", 3_000);
    await Promise.all(uids.map((uid) => manager.add("room", uid, "s1")));
    await manager.add("room", "elsewhere", "s2");

    const pages = await readPages(manager, { limit: PAGE_LIMIT });

    assertSameItems([...new Set(pages.flat())], uids);
    for (const page of pages) assert.ok(page.length <= 10 * PAGE_LIMIT, `${page.length} is not about ${PAGE_LIMIT}`);
  }),

  managerCase("scanMembers › an empty set has no members on any page", ["queries"], async ({ open }) => {
    const manager = await open();

    assert.deepEqual((await readPages(manager, { limit: PAGE_LIMIT })).flat(), []);
    await manager.add("room", "ann", "s1");
    await manager.leave("room", "ann", "s1");
    assert.deepEqual((await readPages(manager, { limit: PAGE_LIMIT })).flat(), []);
  }),

  managerCase(
    "scanMembers › who stays is on a page, whoever comes and goes meanwhile",
    ["queries"],
    async ({ open }) => {
      const manager = await open();
      const staying = numbered("stays", 1_000);
      const leaving = numbered("leaves", 1_000);
      await Promise.all(
        staying.flatMap((uid, index) => [leaving[index]!, uid]).map((uid) => manager.add("room", uid, "s1")),
      );
      const coming = numbered("comes", 1_000);

      const pages = await readPages(manager, {
        limit: PAGE_LIMIT,
        betweenPages: () =>
          Promise.all([
            ...leaving.splice(0, 50).map((uid) => manager.leave("room", uid, "s1")),
            ...coming.splice(0, 50).map((uid) => manager.add("room", uid, "s1")),
          ]),
      });

      const found = new Set(pages.flat());
      assertSameItems(
        staying.filter((uid) => !found.has(uid)),
        [],
        "missed",
      );
      assertSameItems(
        [...found].filter((uid) => !/^(stays|leaves|comes)[0-9]+$/.test(uid)),
        [],
        "never there",
      );
    },
  ),
];
