import { setTimeout as sleep } from "node:timers/promises";
import { Housekeeping } from "../../../src/managers/mysql/housekeeping.js";
import { inOrder, tokenOf } from "../../../src/managers/mysql/change-order.js";
import { ChangeWriter } from "../../../src/managers/mysql/change-writer.js";
import { MysqlDatabase } from "../../../src/managers/mysql/database.js";
import { MemberSets } from "../../../src/managers/mysql/member-sets.js";
import { MysqlChannelManager } from "../../../src/managers/mysql/index.js";
import { tables } from "../../../src/managers/mysql/tables.js";
import type { MemberSetChange } from "../../../src/types.js";
import { eventually } from "../../cluster/cluster.js";
import { startMysql } from "../../support/mysql-server.js";
import {
  mysqlTest as test,
  openDatabase,
  ownMysqlTest,
  useMysql,
  type TestDatabase,
} from "../../support/mysql-tests.js";

const mysql = useMysql();

interface Teardown {
  teardown(end: () => unknown): void;
}

/** A manager that watches, which has nothing to do with the one that writes. */
async function scene(t: Teardown, pollMs = 50, given?: TestDatabase) {
  const database = given ?? (await mysql.createDatabase());
  const [watcher, writer] = [1, 2].map(() => new MysqlChannelManager(database.url, { pollMs })) as [
    MysqlChannelManager,
    MysqlChannelManager,
  ];
  t.teardown(async () => {
    await Promise.all([watcher.stop(true), writer.stop(true)]);
    await database.drop();
  });
  await Promise.all([watcher.start(), writer.start()]);
  const told: string[] = [];
  const listener = {
    change: (change: MemberSetChange) =>
      void told.push(change.type === "clear" ? "clear" : `${change.type} ${change.uids.join()}`),
    gap: () => void told.push("gap"),
  };
  return { database, watcher, writer, told, listener };
}

/** The housekeeping of a manager, to be done now. */
async function tidy(t: Teardown, { url }: TestDatabase): Promise<void> {
  const database = new MysqlDatabase(url, 5000);
  await database.open();
  t.teardown(() => database.close(true));
  const names = tables("gc");
  const memberSets = new MemberSets(database, names, new ChangeWriter(database, names, () => {}));
  const report = (error: unknown): void => {
    throw error;
  };
  await new Housekeeping({ database, tables: names, memberSets, report }).tidy();
}

test("changes that are deleted before they are read are told as a gap, and what follows is told", async (t) => {
  const { database, watcher, writer, told, listener } = await scene(t, 300);
  await writer.add("room", "ann", "s1");
  await watcher.watch("s1", listener);

  await writer.add("room", "ben", "s1");
  await database.query("DELETE FROM gc_changes");
  await eventually(() => told.length === 1, 5000);
  await writer.add("room", "cal", "s1");

  await eventually(() => told.length === 2, 5000);
  t.deepEqual(told, ["gap", "join cal"]);
});

test("a gap amid changes is told where it is", async (t) => {
  const { database, watcher, writer, told, listener } = await scene(t, 500);
  await watcher.watchAll(listener);

  for (const uid of ["ann", "ben", "cal"]) await writer.add("room", uid, "s1");
  await database.query("DELETE FROM gc_changes WHERE uids = '[\"ben\"]'");

  await eventually(() => told.length === 3, 5000);
  t.deepEqual(told, ["join ann", "gap", "join cal"]);
});

test("more changes at several frontends than are read at once are told in the order in which they were made", async (t) => {
  const { watcher, writer } = await scene(t, 2000);
  const told: string[] = [];
  await watcher.watchAll({
    change: (change) => void told.push(`${change.type} ${change.sid}`),
    gap: () => void told.push("gap"),
  });

  const made: string[] = [];
  for (let round = 0; round < 130; round++) {
    // One of them more often than the others, so that they are not at their ends together.
    const sid = round % 3 === 0 ? `s${round % 4}` : "s9";
    await writer.add("room", "ann", sid);
    await writer.leave("room", "ann", sid);
    made.push(`join ${sid}`, `leave ${sid}`);
  }

  await eventually(() => told.length >= made.length, 10_000);
  t.deepEqual(told, made);
});

test("changes of one frontend stay in their order though the clock was set back", (t) => {
  const [one, other] = [Buffer.from("one"), Buffer.from("other")];
  const row = (key: Buffer, madeAt: number, seq: number) => [key, tokenOf(madeAt, 0, Buffer.alloc(5)), seq];

  const ordered = inOrder([row(one, 20, 1), row(one, 10, 2), row(other, 15, 3), row(other, 30, 4)]);

  t.deepEqual(
    ordered.map(({ row: [, , seq] }) => seq),
    [3, 1, 2, 4],
  );
});

test("a database that was set back to an earlier state is a gap", async (t) => {
  const { database, watcher, writer, told, listener } = await scene(t);
  await writer.add("room", "ann", "s1");
  await watcher.watch("s1", listener);
  await writer.add("room", "ben", "s1");
  await eventually(() => told.length === 1, 5000);

  await database.query("UPDATE gc_frontends SET seq = seq - 1");

  await eventually(() => told.length === 2, 5000);
  t.deepEqual(told, ["join ben", "gap"]);
});

test("housekeeping deletes old changes and frontends without members, and no watcher misses anything", async (t) => {
  const { database, watcher, writer, told, listener } = await scene(t);
  await watcher.watchAll(listener);
  await writer.add("room", "ann", "s1");
  await writer.add("room", "ann", "s2");
  await writer.leave("room", "ann", "s1");
  await eventually(() => told.length === 3, 5000);

  await tidy(t, database);
  t.is((await database.query("SELECT 1 FROM gc_changes")).length, 3, "they are young");
  await database.query("UPDATE gc_changes SET made_at = made_at - 61");
  await database.query("UPDATE gc_frontends SET changed_at = changed_at - 3601");
  await tidy(t, database);

  t.deepEqual(await database.query("SELECT 1 FROM gc_changes"), []);
  const left = await database.query("SELECT sid FROM gc_frontends");
  t.deepEqual(
    left.map(({ sid }) => sid as string),
    ["s2"],
    "those with members stay",
  );
  await writer.add("room", "ben", "s1");
  await writer.add("room", "ben", "s2");
  await eventually(() => told.length === 5, 5000);
  t.deepEqual(told.slice(3).toSorted(), ["join ben", "join ben"]);
});

test("housekeeping tells of a destroyed channel where the process that destroyed it died", async (t) => {
  const { database, watcher, writer, told, listener } = await scene(t);
  await writer.add("room", "ann", "s1");
  await watcher.watch("s1", listener);
  // As it is between the two steps.
  await database.query("INSERT INTO gc_destroyed SELECT id, name, sid, UNIX_TIMESTAMP() - 61 FROM gc_sets");
  await database.query("DELETE FROM gc_sets");

  await Promise.all([tidy(t, database), tidy(t, database)]);

  await eventually(() => told.length > 0, 5000);
  await sleep(150);
  t.deepEqual(told, ["leave ann"]);
  t.deepEqual(await database.query("SELECT 1 FROM gc_members"), []);
  t.deepEqual(await database.query("SELECT 1 FROM gc_destroyed"), []);
});

ownMysqlTest("nothing is asked while nobody watches, and one query each time while somebody does", async (t) => {
  // Others would ask, too.
  const server = (await startMysql())!;
  t.teardown(() => server.stop());
  const { database, watcher, listener } = await scene(t, 20, await openDatabase(await server.createDatabase()));
  const asked = async () => Number((await database.query("SHOW GLOBAL STATUS LIKE 'Com_select'"))[0]!["Value"]);
  const during = async () => {
    const before = await asked();
    await sleep(500);
    return (await asked()) - before;
  };

  t.true((await during()) <= 1);
  const unwatch = await Promise.all(["s1", "s2", "s3"].map((sid) => watcher.watch(sid, listener)));
  const selects = await during();
  t.true(selects > 2 && selects <= 26, `${selects} in 500 ms`);
  for (const end of unwatch) await end();
  await sleep(50);
  t.true((await during()) <= 1);
});

test("a watcher whose database was away is told of what it missed", async (t) => {
  const { database, watcher, writer, told, listener } = await scene(t);
  await watcher.watch("s1", listener);
  for (let round = 0; round < 5; round++) {
    await writer.add("room", `u${round}`, "s1");
    await database.cut();
  }
  await writer.add("room", "last", "s1");

  await eventually(() => told.at(-1) === "join last", 5000);
  t.deepEqual(told, [...[0, 1, 2, 3, 4].map((round) => `join u${round}`), "join last"]);
});
