import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { createPool } from "mysql2";
import { createConnection, type Connection } from "mysql2/promise";
import { chunks } from "../../../src/batches.js";
import { GlobalChannelService, memory } from "../../../src/index.js";
import { MysqlChannelManager, type MysqlChannelManagerOptions } from "../../../src/managers/mysql/index.js";
import type { MemberSetChange } from "../../../src/types.js";
import { eventually, numbers } from "../../cluster/cluster.js";
import { startMysql } from "../../support/mysql-server.js";
import { errorsOf } from "../../support/stage.js";
import { mysqlTest, openDatabase, ownMysqlTest, useMysql, type TestDatabase } from "../../support/mysql-tests.js";
import { MysqlProxy, type Cut } from "./proxy.js";

const mysql = useMysql();

interface Scene {
  database: TestDatabase;
  manager: MysqlChannelManager;
}

/** A started manager on a database of its own. */
async function scene(
  t: { teardown(end: () => unknown): void },
  options: MysqlChannelManagerOptions = {},
  urlOf = (url: string): string => url,
): Promise<Scene> {
  const database = await mysql.createDatabase();
  const manager = new MysqlChannelManager(urlOf(database.url), options);
  t.teardown(async () => {
    await manager.stop(true);
    await database.drop();
  });
  await manager.start();
  return { database, manager };
}

/** Another started manager of the database, whose calls end soon: what a test prepares must not end by that. */
async function hurriedManager(t: { teardown(end: () => unknown): void }, { url }: TestDatabase) {
  const manager = new MysqlChannelManager(url, { timeoutMs: 300 });
  t.teardown(() => manager.stop(true));
  await eventually(async () => {
    await manager.start();
    return true;
  }, 5000);
  return manager;
}

/** What is stored, from every table, for comparison. */
async function stored({ query }: TestDatabase) {
  const [sets, members, changes] = [
    await query("SELECT id, counter, members FROM gc_sets ORDER BY id"),
    await query("SELECT set_id, HEX(uid_key) AS uid_key FROM gc_members ORDER BY set_id, uid_key"),
    await query("SELECT HEX(sid_key) AS sid_key, seq FROM gc_changes ORDER BY sid_key, seq"),
  ];
  return JSON.stringify({ sets, members, changes });
}

for (const when of ["before", "after"] satisfies Cut[]) {
  for (const multipleStatements of [true, false]) {
    const how = `${when} the server has committed${multipleStatements ? "" : ", with single statements"}`;
    mysqlTest(`a connection that breaks ${how}: everything is done once, and its result is true`, async (t) => {
      const database = await mysql.createDatabase();
      const proxy = await MysqlProxy.start(database.url);
      const pool = createPool({ uri: proxy.url, multipleStatements });
      const manager = new MysqlChannelManager(pool);
      const changes: MemberSetChange[] = [];
      t.teardown(async () => {
        await manager.stop(true);
        pool.end(() => {});
        await proxy.stop();
        await database.drop();
      });
      await manager.start();
      await manager.watch("s1", { change: (change) => void changes.push(change) });
      const broken = async <T>(call: () => Promise<T>): Promise<T> => {
        proxy.cutAtCommit(when);
        const result = await call();
        t.true(proxy.hasCut);
        return result;
      };
      const uids = [...numbers(100)].map((number) => `u${number}`);
      const all = uids.map((uid) => ({ name: "room", uid, sid: "s1" }));

      t.true(await broken(() => manager.add("room", "ann", "s1")));
      t.is(await broken(() => manager.addMany(all)), 100);
      t.true(await broken(() => manager.leave("room", "ann", "s1")));
      t.is((await manager.readMemberSet("room", "s1")).version?.split(".")[1], "3");
      t.is(await broken(() => manager.leaveMany(all.slice(0, 50))), 50);
      t.is(await broken(() => manager.evict({ sid: "s1", incarnation: "i1" }, "server-down")), 50);
      await manager.add("room", "ben", "s1");
      t.is(await broken(() => manager.destroyChannel("room")), 1);

      await eventually(() => changes.length >= 8, 5000);
      t.deepEqual(
        changes.map((change) =>
          change.type === "clear" ? ["clear"] : [change.type, change.uids.length, change.reason],
        ),
        [
          ["join", 1, "join"],
          ["join", 100, "join"],
          ["leave", 1, "leave"],
          ["leave", 50, "leave"],
          ["leave", 50, "server-down"],
          ["join", 1, "join"],
          ["clear"],
          ["leave", 1, "destroyed"],
        ],
      );
    });
  }
}

mysqlTest("a lock that somebody holds for long: a call fails with a code, and nothing of it is there", async (t) => {
  const { database, manager } = await scene(t);
  const hurried = await hurriedManager(t, database);
  await manager.addMany([1, 2, 3].map((number) => ({ name: "room", uid: `u${number}`, sid: `s${number}` })));
  const before = await stored(database);
  const rival = await lockFrontend(database.url);

  const started = performance.now();
  const error = await t.throwsAsync<Error & { code: string; temporary: boolean }>(
    hurried.addMany([1, 2, 3].map((number) => ({ name: "room", uid: "late", sid: `s${number}` }))),
  );
  t.is(error.code, "GC_STORE_UNAVAILABLE");
  t.true(error.temporary);
  t.true(performance.now() - started < 3000);

  await rival.query("ROLLBACK");
  await rival.end();
  await sleep(200);
  t.is(await stored(database), before);
  t.true(await manager.add("room", "late", "s1"));
  await t.notThrowsAsync(eventually(async () => (await hurried.getMembersBySid("room", "s1")).includes("late"), 5000));
});

mysqlTest("a deadlock in which this side gives way is tried again", async (t) => {
  const { database, manager } = await scene(t);
  const both = (uid: string) => ["s1", "s2"].map((sid) => ({ name: "room", uid, sid }));
  await manager.addMany(both("ann"));
  await database.query("CREATE TABLE weight (id INT PRIMARY KEY)");
  const [, last] = await database.query("SELECT HEX(sid_key) AS sid_key FROM gc_frontends ORDER BY sid_key");
  const rival = await createConnection(database.url);
  t.teardown(() => rival.end());
  const count = async () => Number((await database.query("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'"))[0]?.["Value"]);
  const deadlocks = await count();

  // The one that has written less gives way.
  await rival.query("START TRANSACTION");
  await rival.query(`INSERT INTO weight VALUES ${[...numbers(50)].map((number) => `(${number})`).join(",")}`);
  await rival.query(`SELECT 1 FROM gc_frontends WHERE sid_key = x'${String(last!["sid_key"])}' FOR UPDATE`);
  const added = manager.addMany(both("ben"));
  await sleep(200);
  await rival.query("SELECT 1 FROM gc_frontends FOR UPDATE");
  await rival.query("COMMIT");

  t.is(await added, 2);
  if (Number.isFinite(deadlocks)) t.true((await count()) > deadlocks);
});

mysqlTest("connections that are killed again and again under load: every call is done once", async (t) => {
  const { database, manager } = await scene(t);
  const uids = [...numbers(2000)].map((number) => `u${number}`);
  const end = new AbortController();
  const killing = (async () => {
    while (!end.signal.aborted) {
      await sleep(100);
      await database.cut();
    }
  })();
  // Slow enough that many transactions are cut.
  const results: boolean[] = [];
  for (const some of chunks(uids, 20)) {
    results.push(...(await Promise.all(some.map((uid) => manager.add("room", uid, "s1")))));
  }
  end.abort();
  await killing;

  t.true(results.every(Boolean));
  const { uids: members } = await manager.readMemberSet("room", "s1");
  t.deepEqual(members.toSorted(), uids.toSorted());
});

ownMysqlTest("a server that is killed and restarted under load loses no add that was acknowledged", async (t) => {
  const server = (await startMysql())!;
  const url = await server.createDatabase();
  const managers = [1, 2].map(() => new MysqlChannelManager(url, { timeoutMs: 20_000 }));
  t.teardown(async () => {
    await Promise.all(managers.map((manager) => manager.stop(true)));
    await server.stop();
  });
  for (const manager of managers) await manager.start();
  const acknowledged: string[] = [];
  let failed = 0;
  const end = new AbortController();
  const writing = Array.from({ length: 20 }, async (_, writer) => {
    for (let count = 0; !end.signal.aborted; count++) {
      const uid = `u${writer}-${count}`;
      try {
        t.true(await managers[writer % 2]!.add(`room${writer % 3}`, uid, `s${writer % 4}`));
        acknowledged.push(uid);
      } catch {
        failed++;
      }
    }
  });
  for (let round = 0; round < 2; round++) {
    await sleep(500);
    await server.kill();
    await sleep(300);
    await server.restart();
  }
  await sleep(500);
  end.abort();
  await Promise.all(writing);

  const members = new Set<string>();
  for (const name of ["room0", "room1", "room2"]) {
    for (const sid of ["s0", "s1", "s2", "s3"]) {
      const set = await managers[0]!.readMemberSet(name, sid);
      for (const uid of set.uids) members.add(uid);
    }
    for (const { sid, count } of await managers[0]!.getMemberSets(name)) {
      t.is(count, (await managers[0]!.getMembersBySid(name, sid)).length);
    }
  }
  t.log(`${acknowledged.length} acknowledged, ${failed} failed, over 2 kills`);
  t.true(acknowledged.length > 100);
  // A call lasts longer than the server was away.
  t.is(failed, 0);
  t.deepEqual([...members].toSorted(), acknowledged.toSorted());
  const database = await openDatabase(url);
  t.deepEqual(await database.query("SELECT set_id FROM gc_members WHERE set_id NOT IN (SELECT id FROM gc_sets)"), []);
  await database.drop();
});

ownMysqlTest("a server that hangs: calls end in time with a code, and work goes on when it goes on", async (t) => {
  const server = (await startMysql())!;
  const url = await server.createDatabase();
  // Enough for what must succeed, on a busy machine.
  const manager = new MysqlChannelManager(url, { timeoutMs: 1500 });
  t.teardown(async () => {
    process.kill(server.pid!, "SIGCONT");
    await manager.stop(true);
    await server.stop();
  });
  await manager.start();
  await manager.add("room", "ann", "s1");

  process.kill(server.pid!, "SIGSTOP");
  // Until every thread of it stands still.
  await sleep(100);
  const calls = [
    () => manager.add("room", "ben", "s1"),
    () => manager.leave("room", "ann", "s1"),
    () => manager.getMembersBySid("room", "s1"),
    () => manager.connect("ann", "s1", "i1"),
  ];
  const started = performance.now();
  for (const settled of await Promise.allSettled(calls.map((call) => call()))) {
    t.is(settled.status, "rejected");
    const { code, temporary } = (settled as PromiseRejectedResult).reason as { code: string; temporary: boolean };
    t.true(["GC_STORE_UNAVAILABLE", "GC_TIMEOUT"].includes(code), code);
    t.true(temporary);
  }
  t.true(performance.now() - started < 3000);

  process.kill(server.pid!, "SIGCONT");
  t.true(await manager.add("room", "cal", "s1"));
});

ownMysqlTest("stop by force does not wait for a server that hangs", async (t) => {
  const server = (await startMysql())!;
  const manager = new MysqlChannelManager(await server.createDatabase());
  t.teardown(() => {
    process.kill(server.pid!, "SIGCONT");
    return server.stop();
  });
  await manager.start();
  await manager.add("room", "ann", "s1");
  process.kill(server.pid!, "SIGSTOP");
  await sleep(100);
  const add = t.throwsAsync(manager.add("room", "ben", "s1"), { code: "GC_CLOSED" });
  await sleep(50);

  const started = performance.now();
  await manager.stop(true);
  await add;

  t.true(performance.now() - started < 2000);
});

ownMysqlTest("a server that is down: start fails with a code, and may be tried again", async (t) => {
  const server = (await startMysql())!;
  const manager = new MysqlChannelManager(await server.createDatabase(), { timeoutMs: 1500 });
  t.teardown(async () => {
    await manager.stop(true);
    await server.stop();
  });
  await server.kill();

  await t.throwsAsync(async () => manager.start(), { code: "GC_STORE_UNAVAILABLE" });
  await server.restart();
  await manager.start();

  t.true(await manager.add("room", "ann", "s1"));
});

mysqlTest("a wrong password is no reason to wait", async (t) => {
  const database = await mysql.createDatabase();
  t.teardown(() => database.drop());
  const url = new URL(database.url);
  [url.username, url.password] = ["nobody", "wrong"];

  await t.throwsAsync(async () => new MysqlChannelManager(String(url)).start(), {
    code: "GC_STORE_ERROR",
    message: /Access denied/,
  });
});

test("before start and after stop, calls are refused", async (t) => {
  const manager = new MysqlChannelManager("mysql://127.0.0.1:1/nowhere");

  await t.throwsAsync(async () => manager.add("room", "ann", "s1"), { code: "GC_NOT_STARTED" });
  await t.throwsAsync(async () => manager.getMembersBySid("room", "s1"), { code: "GC_NOT_STARTED" });
  await manager.stop();
  await t.throwsAsync(async () => manager.add("room", "ann", "s1"), { code: "GC_CLOSED" });
});

/** A connection that holds the locks of all frontends. */
async function lockFrontend(url: string): Promise<Connection> {
  const rival = await createConnection(url);
  await rival.query("START TRANSACTION");
  await rival.query("SELECT 1 FROM gc_frontends FOR UPDATE");
  return rival;
}

mysqlTest("a lost answer whose later attempts are refused is not said to be undone", async (t) => {
  const database = await mysql.createDatabase();
  const proxy = await MysqlProxy.start(database.url);
  const manager = new MysqlChannelManager(proxy.url, { timeoutMs: 1500 });
  t.teardown(async () => {
    await manager.stop(true);
    await proxy.stop();
    await database.drop();
  });
  await manager.start();
  await manager.add("room", "ann", "s1");

  proxy.cutAtCommit("after");
  const add = t.throwsAsync(manager.add("room", "ben", "s1"), { code: "GC_TIMEOUT" });
  await eventually(() => proxy.hasCut, 5000);
  const rival = await createConnection(database.url);
  await eventually(async () => {
    await rival.query("START TRANSACTION");
    await rival.query("SELECT 1 FROM gc_frontends FOR UPDATE");
    return true;
  }, 5000);
  await add;
  await rival.end();

  t.deepEqual((await manager.getMembersBySid("room", "s1")).toSorted(), ["ann", "ben"]);
});

mysqlTest("a server that is full of callers who gave up serves others soon", async (t) => {
  const { database, manager } = await scene(t);
  const hurried = await hurriedManager(t, database);
  await manager.add("room", "ann", "s1");
  const rival = await lockFrontend(database.url);
  for (let round = 0; round < 5; round++) await t.throwsAsync(hurried.add("room", `u${round}`, "s1"));

  const waiting = async () =>
    (
      await database.query(
        "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE '%FOR UPDATE%'",
      )
    ).length;
  // Locks are waited for as long as the caller waits, in whole seconds; this query is one of them.
  await eventually(async () => (await waiting()) <= 1, 5000);
  await rival.query("ROLLBACK");
  await rival.end();
  t.deepEqual(await manager.getMembersBySid("room", "s1"), ["ann"]);
});

mysqlTest("the end of a channel among jobs without work ends it", async (t) => {
  const { manager } = await scene(t);
  for (let round = 0; round < 5; round++) {
    await manager.add("room", "ann", "s1");
    const [, destroyed] = await Promise.all([
      manager.evict({ sid: "s2", incarnation: "i1" }, "server-down"),
      manager.destroyChannel("room"),
      manager.leaveIfUnchanged("room", "s1", [], "none.1"),
    ]);
    t.is(destroyed, 1);
    t.deepEqual(await manager.getMembersBySid("room", "s1"), []);
  }
});

mysqlTest("an eviction is whole also where a channel is being destroyed there", async (t) => {
  const { database, manager } = await scene(t);
  const members = (name: string, count: number) =>
    numbers(count).map((number) => ({ name, uid: `u${number}`, sid: "s1" }));
  await manager.addMany([...members("large", 6000), ...members("room", 10), ...members("hall", 10)]);
  // As it is between the two steps of an end.
  await database.query(
    "INSERT INTO gc_destroyed SELECT id, name, sid, UNIX_TIMESTAMP() FROM gc_sets WHERE name = 'large'",
  );
  await database.query("DELETE FROM gc_sets WHERE name = 'large'");

  t.is(await manager.evict({ sid: "s1", incarnation: "i1" }, "server-down"), 20);
  t.deepEqual(await manager.getServers(), []);
});

mysqlTest("stop waits for calls under way, whatever they are", async (t) => {
  const { manager } = await scene(t);
  const all = numbers(6000).map((number) => ({ name: `room${number % 5}`, uid: `u${number}`, sid: "s1" }));
  await manager.addMany(all);
  const calls = [
    manager.getMembersBySid("room1", "s1"),
    manager.watch("s1", { change() {} }),
    manager.evict({ sid: "s1", incarnation: "i1" }, "server-down"),
    ...numbers(30).map(() => manager.findMember("room1", "u1")),
  ];

  await manager.stop();

  const results = await Promise.allSettled(calls);
  t.true(results.every(({ status }) => status === "fulfilled"));
  t.is((results[2] as PromiseFulfilledResult<unknown>).value, 6000);
  await t.throwsAsync(async () => manager.getMembersBySid("room1", "s1"), { code: "GC_CLOSED" });
});

mysqlTest("a manager that is being stopped by its last user serves who starts meanwhile", async (t) => {
  const { manager } = await scene(t);
  const { registry, transport } = memory();
  await manager.stop();
  const cluster = { manager, registry, transport };
  const [first, second] = [new GlobalChannelService({ cluster }), new GlobalChannelService({ cluster })];
  await first.start();

  const stopped = first.stop();
  await second.start();
  await stopped;

  t.true(await second.add("room", "ann", "s1"));
  await second.stop();
});

mysqlTest("the largest names in the largest calls fit into packets and into the time", async (t) => {
  const { manager } = await scene(t);
  const long = (prefix: string, number: number) => `${prefix}${number}`.padEnd(1024, "x");
  const all = numbers(3000).map((number) => ({
    name: long("n", number),
    uid: long("u", number),
    sid: long("s", number % 3),
  }));

  t.is(await manager.addMany(all), 3000);
  t.is(await manager.leaveMany(all), 3000);
  // Each of these takes 6 characters in JSON.
  const control = numbers(1000).map((number) => ({
    name: "room",
    uid: `${"\u0001".repeat(1000)}${number}`,
    sid: "s1",
  }));
  t.is(await manager.addMany(control), 1000);
  t.is(await manager.destroyChannel("room"), 1000);
});

ownMysqlTest("a server of small packets takes everything", async (t) => {
  const server = (await startMysql({ args: ["--max-allowed-packet=1M"] }))!;
  const url = await server.createDatabase();
  const manager = new MysqlChannelManager(url);
  t.teardown(async () => {
    await manager.stop(true);
    await server.stop();
  });
  await manager.start();
  const names = ["\u0001", "日", "x"].flatMap((character) =>
    numbers(1000).map((number) => `${number}${character.repeat(1000 / Buffer.byteLength(character))}`),
  );

  t.is(await manager.addMany(names.map((uid) => ({ name: "room", uid, sid: "s1" }))), 3000);
  t.is((await manager.getMembersBySid("room", "s1")).length, 3000);
  t.is(await manager.evict({ sid: "s1", incarnation: "i1" }, "server-down"), 3000);
  await manager.addMany(names.map((uid) => ({ name: "room", uid, sid: "s1" })));
  t.is(await manager.destroyChannel("room"), 3000);
  const database = await openDatabase(url);
  t.deepEqual(await database.query("SELECT 1 FROM gc_destroyed UNION SELECT 1 FROM gc_members"), []);
  await database.drop();
});

mysqlTest("who begins to watch while the manager stops is refused, and nothing is asked any more", async (t) => {
  const { manager } = await scene(t, { pollMs: 20 });
  const errors = errorsOf(t, manager);
  const watching = [manager.watchAll({ change() {} }), manager.watch("s1", { change() {} })];

  await Promise.all([manager.stop(true), ...watching.map((watch) => t.throwsAsync(watch, { code: "GC_CLOSED" }))]);

  await sleep(200);
  t.deepEqual(errors, []);
});

for (const [what, setting, message] of [
  ["autocommit off", "autocommit = 0", /autocommit on/],
  ["READ UNCOMMITTED", "TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", /isolation level above/],
] as const) {
  mysqlTest(`a pool with ${what} is refused`, async (t) => {
    const database = await mysql.createDatabase();
    const pool = createPool({ uri: database.url, connectionLimit: 1 });
    pool.on("connection", (connection) => void connection.query(`SET SESSION ${setting}`));
    t.teardown(async () => {
      pool.end(() => {});
      await database.drop();
    });

    await t.throwsAsync(async () => new MysqlChannelManager(pool).start(), { code: "GC_INVALID_OPTION", message });
  });
}

mysqlTest("a pool that has no connection to give is asked again", async (t) => {
  const database = await mysql.createDatabase();
  const pool = createPool({ uri: database.url, connectionLimit: 1, waitForConnections: false });
  const manager = new MysqlChannelManager(pool);
  t.teardown(async () => {
    await manager.stop(true);
    pool.end(() => {});
    await database.drop();
  });
  await manager.start();

  const added = await Promise.all([manager.add("room", "ann", "s1"), ...numbers(5).map(() => manager.getServers())]);

  t.true(added[0]);
});
