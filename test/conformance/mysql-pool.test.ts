import { createPool, type Pool } from "mysql2";
import { channelManagerConformance, type MakeHarness } from "../../src/conformance/index.js";
import { MysqlChannelManager } from "../../src/managers/mysql/index.js";
import type { ChannelManager } from "../../src/types.js";
import { mysqlTest as test, useMysql } from "../support/mysql-tests.js";

const mysql = useMysql();

/** A pool as an application may have set it up for purposes of its own: nothing is as the manager would choose it. */
function foreignPool(url: string): Pool {
  const pool = createPool({
    uri: url,
    multipleStatements: false,
    charset: "latin1",
    supportBigNumbers: true,
    bigNumberStrings: true,
    decimalNumbers: false,
    dateStrings: true,
    namedPlaceholders: true,
    nestTables: "_",
    typeCast: () => "not this",
    connectionLimit: 4,
  });
  pool.on("connection", (connection) => {
    connection.query("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', SESSION time_zone = '-11:00'");
    connection.query("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE");
  });
  return pool;
}

/** Instances on pools of the application, one with callbacks and one with promises, which stay its own. */
const byPool: MakeHarness<ChannelManager> = async () => {
  const database = await mysql.createDatabase();
  const pools = [foreignPool(database.url), foreignPool(database.url)] as const;
  let opened = 0;
  return {
    open() {
      const pool = pools[opened++ % 2 === 0 ? 0 : 1];
      return new MysqlChannelManager(pool === pools[0] ? pool : pool.promise(), { prefix: "game_1" });
    },
    interrupt: () => database.cut(),
    async close() {
      for (const pool of pools) {
        // It must still be usable: only its owner closes it.
        await pool.promise().query("SELECT 1");
        await pool.promise().end();
      }
      await database.drop();
    },
  };
};

for (const { name, run } of channelManagerConformance()) {
  test(`manager on an injected pool: ${name}`, (t) => t.notThrowsAsync(run(byPool)));
}
