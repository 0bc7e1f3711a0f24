import assert from "node:assert/strict";
import { assertSameItems, countTrue, numbered, sum } from "../expect.js";
import { managerCase } from "./manager-case.js";

export const channelCases = [
  managerCase(
    "destroyChannel › takes out the members at every frontend and resolves how many",
    [],
    async ({ open }) => {
      const manager = await open();
      await manager.add("room", "ann", "s1");
      await manager.add("room", "ben", "s1");
      await manager.add("room", "ann", "s2");

      assert.equal(await manager.destroyChannel("room"), 3);
      assertSameItems(await manager.getMembersBySid("room", "s1"), []);
      assertSameItems(await manager.getMembersBySid("room", "s2"), []);
      assert.equal(await manager.leave("room", "ann", "s1"), false);
    },
  ),

  managerCase("destroyChannel › resolves 0 where there is nobody", [], async ({ open }) => {
    const manager = await open();
    assert.equal(await manager.destroyChannel("room"), 0, "never used");

    await manager.add("room", "ann", "s1");
    await manager.leave("room", "ann", "s1");
    assert.equal(await manager.destroyChannel("room"), 0, "everybody left");

    await manager.add("room", "ann", "s1");
    assert.equal(await manager.destroyChannel("room"), 1);
    assert.equal(await manager.destroyChannel("room"), 0, "destroyed");
  }),

  managerCase("destroyChannel › leaves other channels alone", [], async ({ open }) => {
    const manager = await open();
    const others = ["roo", "room2", "room:", "ROOM", "room*", "*", "{room}"];
    for (const name of ["room", ...others]) await manager.add(name, "ann", "s1");

    assert.equal(await manager.destroyChannel("room"), 1);
    assert.equal(await manager.destroyChannel("*"), 1);

    for (const name of others) {
      assertSameItems(await manager.getMembersBySid(name, "s1"), name === "*" ? [] : ["ann"], name);
    }
  }),

  managerCase("destroyChannel › a later add starts afresh", [], async ({ open }) => {
    const manager = await open();
    for (const uid of ["ann", "ben"]) await manager.add("room", uid, "s1");
    await manager.destroyChannel("room");

    assert.equal(await manager.add("room", "ann", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
    assert.equal(await manager.destroyChannel("room"), 1);
    assertSameItems(await manager.getMembersBySid("room", "s1"), []);
  }),

  managerCase("destroyChannel › concurrent calls count each member once", [], async ({ open }) => {
    const managers = [await open(), await open()] as const;
    await Promise.all(numbered("u", 60).map((uid, index) => managers[0].add("room", uid, `s${index % 3}`)));

    const counts = await Promise.all(
      numbered("", 20).map((_, index) => managers[index % 2 === 0 ? 0 : 1].destroyChannel("room")),
    );

    assert.equal(sum(counts), 60);
  }),

  managerCase("destroyChannel › a concurrent add comes before it or after it, never halfway", [], async ({ open }) => {
    const managers = [await open(), await open()] as const;

    const destroyed: number[] = [];
    const added: boolean[] = [];
    await Promise.all(
      numbered("u", 200).map(async (uid, index) => {
        const manager = managers[index % 2 === 0 ? 0 : 1];
        if (index % 20 === 10) destroyed.push(await manager.destroyChannel("room"));
        else added.push(await manager.add("room", uid, `s${index % 3}`));
      }),
    );

    const left = await Promise.all(["s0", "s1", "s2"].map((sid) => managers[0].getMembersBySid("room", sid)));
    assert.equal(countTrue(added), 190);
    assert.equal(sum(destroyed) + left.flat().length, 190);
    assert.equal(await managers[0].destroyChannel("room"), left.flat().length);
  }),

  managerCase("clean › where there is one, it removes all that is stored, and work goes on", [], async ({ open }) => {
    const manager = await open();
    if (!manager.clean) return;
    for (const sid of ["s1", "s2"]) await manager.add("room", "ann", sid);
    await manager.connect?.("ann", "s1", "i1");

    await manager.clean();

    assertSameItems(await manager.getMembersBySid("room", "s1"), []);
    assertSameItems((await manager.getMemberSets?.("room")) ?? [], []);
    assertSameItems((await manager.getServers?.()) ?? [], []);
    assertSameItems((await manager.getChannelsBySid?.("s1")) ?? [], []);
    assertSameItems((await manager.getSessions?.(["ann"]))?.flat() ?? [], []);
    assertSameItems((await manager.countUsers?.(["s1"])) ?? [0], [0]);
    assert.equal(await manager.destroyChannel("room"), 0);
    assert.equal(await manager.add("room", "ann", "s1"), true);
    assertSameItems(await manager.getMembersBySid("room", "s1"), ["ann"]);
  }),
];
