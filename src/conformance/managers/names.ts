import assert from "node:assert/strict";
import { assertSameItems } from "../expect.js";
import { AWKWARD_NAMES, COLLIDING_PAIRS } from "../samples.js";
import { managerCase } from "./manager-case.js";
import { readPages } from "./pages.js";

const everyName = (call: (name: string, index: number) => unknown) => Promise.all(AWKWARD_NAMES.map(call));

export const nameCases = [
  managerCase("names › every channel name is a channel of its own", [], async ({ open }) => {
    const manager = await open();

    await everyName(async (name, index) => assert.equal(await manager.add(name, `u${index}`, "s1"), true, name));
    await everyName(async (name, index) => {
      assertSameItems(await manager.getMembersBySid(name, "s1"), [`u${index}`], name);
    });
    await everyName(async (name) => assert.equal(await manager.destroyChannel(name), 1, name));
  }),

  managerCase("names › every uid is a member of its own, and comes back as it was given", [], async ({ open }) => {
    const manager = await open();

    await everyName(async (uid) => assert.equal(await manager.add("room", uid, "s1"), true, uid));
    assertSameItems(await manager.getMembersBySid("room", "s1"), AWKWARD_NAMES);
    await everyName(async (uid) => assert.equal(await manager.leave("room", uid, "s1"), true, uid));
    assertSameItems(await manager.getMembersBySid("room", "s1"), []);
  }),

  managerCase("names › every sid is a frontend of its own", [], async ({ open }) => {
    const manager = await open();

    await everyName(async (sid, index) => assert.equal(await manager.add("room", `u${index}`, sid), true, sid));
    await everyName(async (sid, index) => {
      assertSameItems(await manager.getMembersBySid("room", sid), [`u${index}`], sid);
    });
    assert.equal(await manager.destroyChannel("room"), AWKWARD_NAMES.length);
  }),

  managerCase("names › no two pairs of channel and sid share members", [], async ({ open }) => {
    const manager = await open();

    for (const [name, sid] of COLLIDING_PAIRS) {
      assert.equal(await manager.add(name, JSON.stringify([name, sid]), sid), true);
    }
    for (const [name, sid] of COLLIDING_PAIRS) {
      assertSameItems(await manager.getMembersBySid(name, sid), [JSON.stringify([name, sid])]);
    }
  }),

  managerCase("names › no two pairs of channel and uid are one member", [], async ({ open }) => {
    const manager = await open();

    for (const [name, uid] of COLLIDING_PAIRS) assert.equal(await manager.add(name, uid, "s1"), true);
    for (const [name, uid] of COLLIDING_PAIRS) assert.equal(await manager.leave(name, uid, "s1"), true);
  }),

  managerCase("names › bulk calls and queries take every name", ["bulk", "queries"], async ({ open }) => {
    const manager = await open();
    const memberships = AWKWARD_NAMES.map((name, index) => ({ name, uid: name, sid: AWKWARD_NAMES.at(-1 - index)! }));

    assert.equal(await manager.addMany(memberships), memberships.length);
    await Promise.all(
      memberships.map(async ({ name, uid, sid }) => {
        assertSameItems(await manager.findMember(name, uid), [sid], name);
        assertSameItems((await manager.scanMembers(name, sid, "", 10)).uids, [uid], name);
      }),
    );
    assert.equal(await manager.leaveMany(memberships), memberships.length);
  }),

  managerCase("names › every uid of a set is on a page, and is found", ["queries"], async ({ open }) => {
    const manager = await open();
    await everyName((uid) => manager.add("room", uid, "s1"));

    const found = new Set((await readPages(manager, { limit: 7 })).flat());

    assertSameItems([...found], AWKWARD_NAMES);
    await everyName(async (uid) => assert.deepEqual(await manager.findMember("room", uid), ["s1"], uid));
  }),

  managerCase("names › who is sought is found at every sid, in that channel only", ["queries"], async ({ open }) => {
    const manager = await open();
    await everyName((sid) => manager.add("room", "ann", sid));
    for (const [name, uid] of COLLIDING_PAIRS) await manager.add(name, uid, JSON.stringify([name, uid]));

    assertSameItems(await manager.findMember("room", "ann"), AWKWARD_NAMES);
    for (const [name, uid] of COLLIDING_PAIRS) {
      assert.deepEqual(await manager.findMember(name, uid), [JSON.stringify([name, uid])]);
    }
  }),

  managerCase("names › a bulk mix of colliding names is as many members", ["bulk"], async ({ open }) => {
    const manager = await open();
    const mix = COLLIDING_PAIRS.flatMap(([a, b]) => [
      { name: a, uid: b, sid: "s1" },
      { name: a, uid: "ann", sid: b },
      { name: "room", uid: a, sid: b },
    ]);

    assert.equal(await manager.addMany(mix), mix.length);
    assert.equal(await manager.addMany(mix), 0);
    assert.equal(await manager.leaveMany(mix.slice(0, 300)), 300);
    assert.equal(await manager.leaveMany(mix), mix.length - 300);
  }),

  managerCase(
    "names › member sets, their channels and servers come back as they were given",
    ["versions", "eviction"],
    async ({ open }) => {
      const manager = await open();

      await everyName((sid) => manager.add("room", "ann", sid));
      await everyName((name) => manager.add(name, "ann", "s1"));

      const sets = await manager.getMemberSets("room");
      assertSameItems(
        sets.map(({ sid }) => sid),
        AWKWARD_NAMES,
      );
      assertSameItems(await manager.getChannelsBySid("s1"), AWKWARD_NAMES);
      assertSameItems(await manager.getServers(), [...AWKWARD_NAMES, "s1"]);
    },
  ),

  managerCase("names › an evicted frontend takes nothing of a similar name with it", ["eviction"], async ({ open }) => {
    const manager = await open();
    await everyName((sid) => manager.add("room", "ann", sid));

    // One by one: after each, the rest must be whole.
    for (const [index, sid] of AWKWARD_NAMES.entries()) {
      assert.equal(await manager.evict({ sid, incarnation: "i1" }, "server-down"), 1, sid);
      if (index % 10 === 0) assertSameItems(await manager.getServers(), AWKWARD_NAMES.slice(index + 1));
    }
    assertSameItems(await manager.getServers(), []);
  }),

  managerCase("names › sessions of every uid, sid and incarnation are kept apart", ["presence"], async ({ open }) => {
    const manager = await open();

    await everyName((name) => manager.connect(name, "s1", "i1"));
    await everyName((name) => manager.connect("ann", name, name));
    for (const [sid, incarnation] of COLLIDING_PAIRS)
      await manager.connect(JSON.stringify([sid, incarnation]), sid, incarnation);

    const sessions = await manager.getSessions(AWKWARD_NAMES);
    for (const places of sessions) assertSameItems(places, [{ sid: "s1", incarnation: "i1" }]);
    const [ofAnn = []] = await manager.getSessions(["ann"]);
    assertSameItems(
      ofAnn,
      AWKWARD_NAMES.map((name) => ({ sid: name, incarnation: name })),
    );
    for (const [sid, incarnation] of COLLIDING_PAIRS) {
      const [places = []] = await manager.getSessions([JSON.stringify([sid, incarnation])]);
      assertSameItems(places, [{ sid, incarnation }]);
    }
  }),

  managerCase("names › the end of one session is not the end of one of a similar name", ["presence"], async (stage) => {
    const manager = await stage.open();
    await everyName((name) => manager.connect(name, "s1", "i1"));
    await everyName((name) => manager.connect("ann", name, name));

    await everyName((name) => manager.disconnect("ann", name, "another life"));
    assert.deepEqual(
      await manager.countUsers(AWKWARD_NAMES),
      AWKWARD_NAMES.map(() => 1),
    );
    // One by one: after each, the rest must be whole.
    for (const [index, name] of AWKWARD_NAMES.entries()) {
      await manager.disconnect(name, "s1", "i1");
      await manager.disconnect("ann", name, name);
      if (index % 10 !== 0) continue;
      const ended = index + 1;
      assert.deepEqual(await manager.countUsers(["s1"]), [AWKWARD_NAMES.length - ended]);
      const [places = []] = await manager.getSessions(["ann"]);
      assertSameItems(
        places.map(({ sid }) => sid),
        AWKWARD_NAMES.slice(ended),
      );
    }
  }),
];
