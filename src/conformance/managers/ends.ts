import assert from "node:assert/strict";
import { assertSameItems, eventually, numbered } from "../expect.js";
import { ChangeLog, parseVersion } from "./change-log.js";
import { managerCase } from "./manager-case.js";

/** What is left at the end: of a channel at many frontends, of a store that was cleaned, of an instance that has stopped. */
export const endCases = [
  managerCase("destroyChannel › takes the members out at each of 300 frontends", [], async ({ open }) => {
    const [manager, other] = [await open(), await open()];
    const sids = numbered("s", 300);
    await Promise.all(sids.map((sid) => manager.add("room", "ann", sid)));

    assert.equal(await other.destroyChannel("room"), 300);

    const members = await Promise.all(sids.map((sid) => manager.getMembersBySid("room", sid)));
    assert.deepEqual(members.flat(), []);
    assert.equal(await other.destroyChannel("room"), 0);
  }),

  managerCase("clean › where there is one, nothing is left of many channels and users", [], async ({ open }) => {
    const [manager, other] = [await open(), await open()];
    if (!manager.clean) return;
    const names = numbered("room", 1_500);
    await Promise.all(names.map((name, index) => manager.add(name, `u${index % 10}`, `s${index % 7}`)));
    await Promise.all(names.map((uid) => manager.connect?.(uid, "s1", "i1")));

    await manager.clean();

    const members = await Promise.all(names.map((name, index) => other.getMembersBySid(name, `s${index % 7}`)));
    assert.deepEqual(members.flat(), []);
    assertSameItems((await other.getServers?.()) ?? [], []);
    assertSameItems((await other.getSessions?.(names))?.flat() ?? [], []);
    assert.deepEqual((await other.countUsers?.(["s1"])) ?? [0], [0]);
    for (const name of names.slice(0, 20)) assert.equal(await other.add(name, "u0", "s0"), true);
    assert.equal(await manager.destroyChannel("room0"), 1);
  }),

  managerCase("clean › where there is one, watchers are not told, and go on", ["versions"], async ({ open }) => {
    const manager = await open();
    if (!manager.clean) return;
    const log = new ChangeLog();
    await manager.watch("s1", log);
    await manager.add("room", "ann", "s1");
    // What has not been told by then may never be.
    await eventually(() => assert.equal(log.changes.length, 1));

    await manager.clean();
    await manager.add("room", "ben", "s1");

    await eventually(() => {
      assert.deepEqual(
        log.changes.map(({ type }) => type),
        ["join", "join"],
      );
    });
    const versions = log.changes.map((change) => (change.type === "clear" ? undefined : change.version));
    const [[before], [after, counter]] = [parseVersion(versions[0]), parseVersion(versions[1])];
    assert.equal(counter, 1);
    assert.notEqual(after, before);
  }),

  managerCase("stop › what was added stays for the others", [], async ({ open, stop }) => {
    const [manager, other] = [await open(), await open()];
    await manager.add("room", "ann", "s1");

    await stop(manager);

    // Whoever is the store itself was stopped together with it.
    const next = await open();
    assertSameItems(await next.getMembersBySid("room", "s1"), ["ann"]);
    if (other === manager) return;
    assertSameItems(await other.getMembersBySid("room", "s1"), ["ann"]);
    assert.equal(await other.add("room", "ann", "s1"), false);
    assert.equal(await next.leave("room", "ann", "s1"), true);
  }),

  managerCase("stop › a second stop does nothing", [], async ({ open, stop }) => {
    const [manager, other] = [await open(), await open()];
    await manager.add("room", "ann", "s1");

    await stop(manager);
    await stop(manager);
    await stop(manager, true);

    const next = other === manager ? await open() : other;
    assertSameItems(await next.getMembersBySid("room", "s1"), ["ann"]);
    assert.equal(await next.add("room", "ben", "s1"), true);
  }),
];
