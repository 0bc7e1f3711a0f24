/**
 * Errors of the server after which the same work may succeed, by number
 * (https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html, https://mariadb.com/kb/en/mariadb-error-codes/).
 */
const TEMPORARY_ERRORS: ReadonlySet<number> = new Set([
  1020, // a row has changed since it was read (MariaDB's snapshot isolation)
  1040, // too many connections
  1047, // this node of a cluster is not ready
  1053, // the server is shutting down
  1062, // the number that was drawn for a member set is taken
  1158, // the connection broke: while reading,
  1159,
  1160, // or writing
  1161,
  1180, // an error during COMMIT, which has undone everything
  1203, // too many connections of this user
  1226,
  1205, // somebody else has held a lock for too long
  1213, // deadlock: this transaction was chosen to give way
  1290, // the server only reads: a failover is under way
  1317, // the statement was interrupted
  1792, // the server only reads
  1836,
  1927, // the connection was killed
  1969, // the statement took too long
  3024,
  3032, // the server is offline for maintenance
  3100, // group replication has refused the commit, which has undone everything
  3101,
  3169, // the session was killed
  4031, // the server has closed a connection that was idle
]);

interface MysqlError {
  /** Of the server's errors. */
  sqlState?: string;
  errno?: number;
  code?: string;
}

/** Errors that may come while a transaction is committed, so that they do not tell whether it was. */
const INTERRUPTIONS: ReadonlySet<number> = new Set([1053, 1317, 1927, 1969, 3024, 3169, 4031]);

/** Whether the server has said that it has not done what it was asked, so that nothing of that transaction stays. */
export function isRefusal(error: unknown): boolean {
  return isOfServer(error) && !INTERRUPTIONS.has((error as MysqlError).errno ?? 0);
}

/** Whether the server has answered, with an error. */
function isOfServer(error: unknown): boolean {
  return typeof (error as MysqlError | null)?.sqlState === "string";
}

/** Whether the same work may succeed soon. */
export function isTemporary(error: unknown): boolean {
  const { errno, code } = error as MysqlError;
  if (isOfServer(error)) return errno !== undefined && TEMPORARY_ERRORS.has(errno);
  // The rest are broken connections and servers that cannot be reached, all of which have a code, and bugs, which have none.
  return code !== undefined;
}
