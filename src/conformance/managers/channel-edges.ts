import assert from "node:assert/strict";
import { eventually, numbered, sum } from "../expect.js";
import { ChangeLog } from "./change-log.js";
import { managerCase, type ManagerWith } from "./manager-case.js";

/** Where a channel began or ended, as `created s1 join` and `emptied s2 leave`, in the order in which it was told. */
function edgesOf(log: ChangeLog, name = "room"): string[] {
  return log.changes.flatMap((change) => {
    if (change.name !== name) return [];
    if (change.type === "join") return change.created ? [`created ${change.sid} ${change.reason}`] : [];
    return change.emptied ? [`emptied ${change.sid} ${change.type === "clear" ? "clear" : change.reason}`] : [];
  });
}

/** Creations and ends come in turn, and the last one says whether the channel has members. */
function assertInTurn(edges: readonly string[], hasMembers: boolean, name: string): void {
  for (const [index, edge] of edges.entries()) {
    const expected = index % 2 === 0 ? "created" : "emptied";
    assert.ok(edge.startsWith(expected), `edge ${index} of ${name} is "${edge}", not ${expected}: ${edges.join(", ")}`);
  }
  assert.equal(edges.length % 2 === 1, hasMembers, `${name} after ${edges.join(", ")}`);
}

/** Waits until a last change at each of these frontends is told: those of other channels before it are, too. */
async function settle(log: ChangeLog, manager: ManagerWith<"events">, sids: readonly string[]): Promise<void> {
  for (const sid of sids) await manager.add("sentinel", sid, sid);
  await eventually(() => {
    const told = new Set(log.told("join").flatMap(({ name, uid }) => (name === "sentinel" ? [uid] : [])));
    assert.deepEqual(
      sids.filter((sid) => !told.has(sid)),
      [],
    );
  });
}

/** {@link ChannelManager.watchAll} held to where channels begin and end. */
export const channelEdgeCases = [
  managerCase(
    "watchAll › the first member of a channel creates it, the last one empties it, at whatever frontend",
    ["events"],
    async ({ open }) => {
      const [manager, writer] = [await open(), await open()];
      const log = new ChangeLog();
      await manager.watchAll(log);

      await writer.add("room", "ann", "s1");
      await writer.add("room", "ann", "s1");
      await writer.add("room", "ben", "s1");
      await manager.add("room", "ann", "s2");
      await writer.leave("room", "ann", "s1");
      await writer.leave("room", "ben", "s1");
      await writer.leave("room", "ben", "s1");
      await writer.leave("room", "ann", "s2");
      await manager.add("room", "cal", "s3");

      await settle(log, manager, ["s1", "s2", "s3"]);
      assert.deepEqual(edgesOf(log), ["created s1 join", "emptied s2 leave", "created s3 join"]);
    },
  ),

  managerCase(
    "watchAll › a channel that is emptied and filled again in one moment tells of both",
    ["events"],
    async ({ open }) => {
      const manager = await open();
      const log = new ChangeLog();
      await manager.watchAll(log);

      // Not waited for one by one: they may be made together, and are in order all the same.
      await Promise.all([
        manager.add("room", "ann", "s1"),
        manager.leave("room", "ann", "s1"),
        manager.add("room", "ben", "s1"),
        manager.leave("room", "ben", "s1"),
      ]);

      await settle(log, manager, ["s1"]);
      const pair = ["created s1 join", "emptied s1 leave"];
      assert.deepEqual(edgesOf(log), [...pair, ...pair]);
    },
  ),

  managerCase(
    "watchAll › of first joins at the same time exactly one creates, and of last leaves one empties",
    ["events"],
    async ({ open }) => {
      const managers = [await open(), await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[0].watchAll(log);
      const members = numbered("", 12).map((id, index) => ({ sid: `s${id}`, manager: managers[index % 3]! }));

      for (let round = 0; round < 5; round++) {
        await Promise.all(members.map(({ sid, manager }) => manager.add("room", "ann", sid)));
        await Promise.all(members.map(({ sid, manager }) => manager.leave("room", "ann", sid)));
      }

      await settle(
        log,
        managers[0],
        members.map(({ sid }) => sid),
      );
      const edges = edgesOf(log);
      assertInTurn(edges, false, "room");
      assert.equal(edges.length, 10, edges.join(", "));
    },
  ),

  managerCase(
    "watchAll › under adds, leaves and ends at several frontends at once, creations and ends come in turn",
    ["events"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[1].watchAll(log);
      const [names, sids] = [numbered("room", 3), numbered("s", 4)];

      await Promise.all(
        numbered("", 16).map(async (_, worker) => {
          const manager = managers[worker % 2 === 0 ? 0 : 1];
          const sid = sids[worker % sids.length]!;
          for (let round = 0; round < 15; round++) {
            const name = names[(worker + round) % names.length]!;
            if (worker === 7 && round % 5 === 4) await manager.destroyChannel(name);
            await manager.add(name, `u${worker}`, sid);
            await manager.leave(name, `u${worker}`, sid);
          }
        }),
      );
      await managers[1].add("room0", "last", "s0");

      await settle(log, managers[0], sids);
      for (const name of names) assertInTurn(edgesOf(log, name), name === "room0", name);
    },
  ),

  managerCase(
    "watchAll › where two come and go at two frontends, creations and ends come in turn",
    ["events"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[0].watchAll(log);

      // Without the steps of others in between: each one meets what the other one does at that moment.
      await Promise.all(
        managers.map(async (manager, index) => {
          for (let round = 0; round < 100; round++) {
            await manager.add("room", "ann", `s${index}`);
            await manager.leave("room", "ann", `s${index}`);
          }
        }),
      );
      await managers[1].add("room", "last", "s0");

      await settle(log, managers[0], ["s0", "s1"]);
      assertInTurn(edgesOf(log), true, "room");
    },
  ),

  managerCase(
    "watchAll › the end of a channel empties it once, and whoever joins then creates it",
    ["events"],
    async ({ open }) => {
      const [manager, other] = [await open(), await open()];
      const log = new ChangeLog();
      await manager.watchAll(log);
      const sids = numbered("s", 5);
      for (const sid of sids) for (const uid of ["ann", "ben"]) await manager.add("room", uid, sid);

      await Promise.all([manager.destroyChannel("room"), other.destroyChannel("room")]);
      await manager.destroyChannel("room");
      await manager.add("room", "cal", "s2");

      await settle(log, manager, sids);
      assert.deepEqual(
        edgesOf(log).map((edge) => edge.replace(/s\d clear/, "clear")),
        ["created s0 join", "emptied clear", "created s2 join"],
      );
    },
  ),

  managerCase(
    "evict, watchAll › whom it takes out last empties a channel that has no member elsewhere",
    ["events", "eviction"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[1].watchAll(log);
      const uids = numbered("u", 300);
      await Promise.all(["only", "both"].flatMap((name) => uids.map((uid) => managers[0].add(name, uid, "s1"))));
      await managers[0].add("both", "ann", "s2");

      await Promise.all(managers.map((manager) => manager.evict({ sid: "s1", incarnation: "i1" }, "server-down")));

      await settle(log, managers[0], ["s1", "s2"]);
      assert.deepEqual(edgesOf(log, "only"), ["created s1 join", "emptied s1 server-down"]);
      assert.deepEqual(edgesOf(log, "both"), ["created s1 join"]);
    },
  ),

  managerCase(
    "addMany, leaveMany, watchAll › each of many channels at many frontends is created once and emptied once",
    ["events", "bulk"],
    async ({ open }) => {
      const managers = [await open(), await open()] as const;
      const log = new ChangeLog();
      await managers[0].watchAll(log);
      const [names, sids] = [numbered("room", 200), numbered("s", 3)];
      const members = names.flatMap((name) => sids.map((sid) => ({ name, uid: "ann", sid })));

      const joined = await Promise.all(managers.map((manager) => manager.addMany(members)));
      const left = await Promise.all(managers.map((manager) => manager.leaveMany(members, "disconnect")));

      assert.deepEqual([sum(joined), sum(left)], [members.length, members.length]);
      await settle(log, managers[1], sids);
      for (const name of names) {
        assert.deepEqual(
          edgesOf(log, name).map((edge) => edge.replace(/s\d/, "s")),
          ["created s join", "emptied s disconnect"],
          name,
        );
      }
    },
  ),
];
