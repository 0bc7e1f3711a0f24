import test from "ava";
import { createConnection } from "mysql2/promise";
import { MysqlChannelManager, mysqlTables } from "../../../src/managers/mysql/index.js";
import { mysqlTest, useMysql, type TestDatabase } from "../../support/mysql-tests.js";

const mysql = useMysql();

async function tablesOf({ query }: TestDatabase): Promise<string[]> {
  const rows = await query("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()");
  return rows.map(({ name }) => String(name)).toSorted();
}

const NAMES = ["changes", "destroyed", "frontends", "members", "sessions", "sets"];

mysqlTest("start creates the tables that are missing, also where several start at once", async (t) => {
  const database = await mysql.createDatabase();
  const managers = [1, 2, 3].map(() => new MysqlChannelManager(database.url));
  t.teardown(async () => {
    await Promise.all(managers.map((manager) => manager.stop(true)));
    await database.drop();
  });

  await Promise.all(managers.map((manager) => manager.start()));

  t.deepEqual(
    await tablesOf(database),
    NAMES.map((name) => `gc_${name}`),
  );
  t.true(await managers[0]!.add("room", "ann", "s1"));
  t.deepEqual(await managers[1]!.getMembersBySid("room", "s1"), ["ann"]);
});

mysqlTest("mysqlTables is a migration: it may run twice, and start then needs to create nothing", async (t) => {
  const database = await mysql.createDatabase();
  const manager = new MysqlChannelManager(database.url, { prefix: "game", createTables: false });
  t.teardown(async () => {
    await manager.stop(true);
    await database.drop();
  });
  await t.throwsAsync(async () => manager.start(), {
    code: "GC_STORE_ERROR",
    message: /game_frontends, game_sets, .* are not all there .*mysqlTables\(\)/,
  });

  const migration = await createConnection({ uri: database.url, multipleStatements: true });
  await migration.query(mysqlTables("game"));
  await migration.query(mysqlTables("game"));
  await migration.end();
  await manager.start();

  t.deepEqual(
    await tablesOf(database),
    NAMES.map((name) => `game_${name}`),
  );
  t.true(await manager.add("room", "ann", "s1"));
});

mysqlTest("clusters with different prefixes share a database and know nothing of one another", async (t) => {
  const database = await mysql.createDatabase();
  const [one, other] = ["one", "other"].map((prefix) => new MysqlChannelManager(database.url, { prefix })) as [
    MysqlChannelManager,
    MysqlChannelManager,
  ];
  t.teardown(async () => {
    await Promise.all([one.stop(true), other.stop(true)]);
    await database.drop();
  });
  await Promise.all([one.start(), other.start()]);

  await one.add("room", "ann", "s1");
  await other.add("room", "ben", "s1");
  await one.clean();

  t.deepEqual(await one.getMembersBySid("room", "s1"), []);
  t.deepEqual(await other.getMembersBySid("room", "s1"), ["ben"]);
});

mysqlTest("tables that are not ours, or of another layout, are refused", async (t) => {
  const database = await mysql.createDatabase();
  t.teardown(() => database.drop());
  await database.query("CREATE TABLE gc_sets (id INT PRIMARY KEY) ENGINE = InnoDB COMMENT = 'card sets'");

  await t.throwsAsync(async () => new MysqlChannelManager(database.url).start(), {
    code: "GC_STORE_ERROR",
    message: /table gc_sets is not of this version: its comment is "card sets"/,
  });
  t.deepEqual(await tablesOf(database), ["gc_sets"], "nothing was created beside it");
});

mysqlTest("a URL without a database is refused", async (t) => {
  const database = await mysql.createDatabase();
  t.teardown(() => database.drop());
  const url = new URL(database.url);
  url.pathname = "";

  await t.throwsAsync(async () => new MysqlChannelManager(String(url)).start(), {
    code: "GC_STORE_ERROR",
    message: /no database is chosen/,
  });
});

mysqlTest("a user who may not create tables is told what is missing", async (t) => {
  const database = await mysql.createDatabase();
  const name = new URL(database.url).pathname.slice(1);
  const user = `u${name.slice(-8)}`;
  t.teardown(async () => {
    await database.query(`DROP USER ${user}@'127.0.0.1'`);
    await database.drop();
  });
  await database.query(`CREATE USER ${user}@'127.0.0.1'`);
  await database.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON \`${name}\`.* TO ${user}@'127.0.0.1'`);
  const url = new URL(database.url);
  [url.username, url.password] = [user, ""];

  await t.throwsAsync(async () => new MysqlChannelManager(String(url)).start(), {
    code: "GC_STORE_ERROR",
    message: /CREATE command denied/,
  });
});

mysqlTest(
  "names keep their collation: a and A, é and e, with and without a space are different in the tables too",
  async (t) => {
    const database = await mysql.createDatabase();
    const manager = new MysqlChannelManager(database.url);
    t.teardown(async () => {
      await manager.stop(true);
      await database.drop();
    });
    await manager.start();
    for (const name of ["a", "A", "é", "e", "a "]) await manager.add(name, name, name);

    const [column] = await database.query(
      `SELECT COUNT(*) AS count, MIN(collation_name) AS least, MAX(collation_name) AS most FROM information_schema.columns
      WHERE table_schema = DATABASE() AND character_set_name = 'utf8mb4'`,
    );
    t.deepEqual([column!["least"], column!["most"]], ["utf8mb4_bin", "utf8mb4_bin"]);
    const rows = await database.query("SELECT name FROM gc_sets ORDER BY name, LENGTH(name)");
    t.deepEqual(
      rows.map(({ name }) => name as string),
      ["A", "a", "a ", "e", "é"],
    );
  },
);

for (const [what, options] of [
  ["an unknown option", { prefx: "gc" }],
  ["a prefix with a quote", { prefix: "gc`; DROP TABLE x; --" }],
  ["an empty prefix", { prefix: "" }],
  ["a long prefix", { prefix: "x".repeat(33) }],
  ["a time that is none", { timeoutMs: "soon" }],
  ["a poll that never ends", { pollMs: 0 }],
  ["a wrong switch", { createTables: 1 }],
] as const) {
  test(`options › ${what} is refused`, (t) => {
    t.throws(() => new MysqlChannelManager("mysql://localhost/db", options as object), {
      code: "GC_INVALID_OPTION",
    });
  });
}

for (const source of [undefined, null, 7, "", "redis://localhost", [], () => {}]) {
  test(`source › ${JSON.stringify(source) ?? typeof source} is refused`, (t) => {
    t.throws(() => new MysqlChannelManager(source as string), { code: "GC_INVALID_ARGUMENT" });
  });
}
