import { startMysql } from "../../test/support/mysql-server.js";
import type { Scope } from "../support/scope.js";

/**
 * What MariaDB has if nobody sets it; servers of tests have less, to start quickly. What is committed is on the disk, as it is
 * by default.
 */
const MYSQL_ARGS = ["--loose-innodb-buffer-pool-size=128M", "--loose-innodb-log-file-size=96M"];

/** With an empty database at each of the URLs; undefined where there is no such program. */
export async function startMysqlStore(
  scope: Scope,
): Promise<{ pid: number; createUrl(): Promise<string> } | undefined> {
  const server = await startMysql({ args: MYSQL_ARGS });
  if (!server) return undefined;
  scope.defer(() => server.stop());
  return { pid: server.pid!, createUrl: () => server.createDatabase() };
}

/** What the tables say where MySQL is missing. */
export function noteOnMysql(results: readonly { contender: string }[]): string[] {
  if (results.some(({ contender }) => contender.endsWith("mysql"))) return [];
  return ["MySQL is left out: there is no MariaDB or MySQL server program here (`npm run mysql`).\n"];
}
