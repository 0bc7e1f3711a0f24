import { GlobalChannelError } from "../../errors.js";
import type { MysqlDatabase } from "./database.js";
import { list, text } from "./sql.js";
import { createTables, LAYOUT, tableNames } from "./tables.js";

/** The oldest versions that are supported: those that run as tested. */
const OLDEST = { MariaDB: [10, 6], MySQL: [8, 0] } as const;

/**
 * Sees to it that the tables are there, as this version needs them.
 * @throws `GC_STORE_ERROR` an old server, no database chosen, tables that are missing or of another layout
 */
export async function prepareTables(database: MysqlDatabase, prefix: string, create: boolean): Promise<void> {
  const [row] = await database.read("SELECT CAST(VERSION() AS BINARY), CAST(DATABASE() AS BINARY)");
  checkVersion(String(row?.[0]));
  if (row?.[1] == null) throw refused("no database is chosen: name one in the URL or in the options of the pool");
  if (await isPrepared(database, prefix)) return;
  if (!create) {
    throw refused(`tables ${tableNames(prefix).join(", ")} are not all there (createTables is off): see mysqlTables()`);
  }
  await database.run((session) => session.run(createTables(prefix)));
  if (!(await isPrepared(database, prefix)))
    throw refused(`tables ${tableNames(prefix).join(", ")} were not all created`);
}

function checkVersion(version: string): void {
  const product = version.includes("MariaDB") ? "MariaDB" : "MySQL";
  const [, major, minor] = (/^(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  const [oldestMajor, oldestMinor] = OLDEST[product];
  if (major === undefined || minor === undefined || major > oldestMajor) return;
  if (major < oldestMajor || minor < oldestMinor) {
    throw refused(`the database is ${product} ${version}; MySQL 8.0 or MariaDB 10.6, or newer, is needed`);
  }
}

/** Whether all tables are there. */
async function isPrepared(database: MysqlDatabase, prefix: string): Promise<boolean> {
  const names = tableNames(prefix);
  const rows = await database.read(
    `SELECT CAST(table_name AS BINARY), CAST(engine AS BINARY), CAST(table_comment AS BINARY)
      FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_name IN ${list(names.map(text))}`,
  );
  for (const [name, engine, comment] of rows) {
    if (String(comment) !== LAYOUT) {
      throw refused(
        `table ${String(name)} is not of this version: its comment is "${String(comment)}", not "${LAYOUT}"`,
      );
    }
    if (String(engine) !== "InnoDB")
      throw refused(`table ${String(name)} is of the engine ${String(engine)}, not InnoDB`);
  }
  return rows.length === names.length;
}

function refused(why: string): GlobalChannelError {
  return new GlobalChannelError("GC_STORE_ERROR", why);
}
