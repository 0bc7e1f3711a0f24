import anyTest, { type TestFn } from "ava";
import { createConnection, type Connection, type RowDataPacket } from "mysql2/promise";
import { findMysql } from "./find-mysql.js";
import { openMysql } from "./mysql-server.js";

const isProgramThere = (await findMysql()) !== undefined;
const isThere = process.env["MYSQL_URL"] !== undefined || isProgramThere;

/** AVA's `test.serial`; where there is no MySQL, what is declared is skipped. */
export const mysqlTest: TestFn["serial"] | TestFn["serial"]["skip"] = isThere ? anyTest.serial : anyTest.serial.skip;

/** The same for tests that start a server of their own, to kill it or to have it to themselves: the one at `MYSQL_URL` is no use. */
export const ownMysqlTest: typeof mysqlTest = isProgramThere ? anyTest.serial : anyTest.serial.skip;

/** An empty database of its own, and a connection beside those that are tested. */
export interface TestDatabase {
  url: string;
  /** Rows as objects. */
  query(sql: string): Promise<RowDataPacket[]>;
  /** Kills all connections to it but this one. */
  cut(): Promise<void>;
  drop(): Promise<void>;
}

/** The MySQL that the tests of one file share. Call it once, at the top. */
export function useMysql(): { createDatabase(): Promise<TestDatabase> } {
  let server: Awaited<ReturnType<typeof openMysql>>;
  anyTest.before(async () => {
    if (isThere) server = await openMysql();
  });
  anyTest.after.always(() => server?.stop());
  return {
    async createDatabase() {
      const url = await server!.createDatabase();
      return openDatabase(url);
    },
  };
}

/** A connection beside those that are tested, to a database that is there. */
export async function openDatabase(url: string): Promise<TestDatabase> {
  const name = new URL(url).pathname.slice(1);
  const connection = await createConnection(url);
  return {
    url,
    query: async (sql) => (await connection.query<RowDataPacket[]>(sql))[0],
    cut: () => cut(connection, name),
    async drop() {
      await connection.query(`DROP DATABASE \`${name}\``);
      await connection.end();
    },
  };
}

async function cut(connection: Connection, database: string): Promise<void> {
  const [others] = await connection.query<RowDataPacket[]>(
    "SELECT id AS id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()",
    [database],
  );
  for (const { id } of others) {
    // It may have gone by itself.
    await connection.query(`KILL CONNECTION ${Number(id)}`).catch(() => {});
  }
}
