import type { Socket } from "node:net";
import { createPool, type Pool, type PoolConnection, type PoolOptions } from "mysql2";
import type { Pool as PromisePool } from "mysql2/promise";
import type { MysqlSource } from "./options.js";

/**
 * How long the server keeps a connection that says nothing, in seconds, and with it the locks of a process that was cut off: it
 * may be the last that is ever heard of it.
 */
const WAIT_TIMEOUT_SECONDS = 60;

export function isPool(source: unknown): source is Pool | PromisePool {
  return typeof (source as Partial<Pool> | null)?.getConnection === "function";
}

export function isWhere(source: unknown): boolean {
  if (typeof source === "string") return source.startsWith("mysql://");
  return typeof source === "object" && source !== null && !Array.isArray(source);
}

/** The pool itself, where it is one that gives promises, which keep a stack trace for each query. */
export function poolOf(pool: Pool | PromisePool): Pool {
  return "pool" in pool ? pool.pool : pool;
}

/** Opens a pool, whose connections are added to a set while they are open. */
export function openPool(
  source: Exclude<MysqlSource, Pool | PromisePool>,
  timeoutMs: number,
  opened: Set<PoolConnection>,
): Pool {
  const where: PoolOptions = typeof source === "string" ? { uri: source } : source;
  const pool = createPool({
    connectTimeout: timeoutMs,
    ...where,
    multipleStatements: true,
    // It would undo what is set below.
    ...("resetOnRelease" in where && { resetOnRelease: false }),
  });
  const seconds = Math.ceil(timeoutMs / 1000);
  pool.on("connection", (connection) => {
    opened.add(connection);
    socketOf(connection).once("close", () => opened.delete(connection));
    // Nobody is served any more who waits for longer.
    connection.query(
      `SET SESSION innodb_lock_wait_timeout = ${seconds}, SESSION wait_timeout = ${Math.max(WAIT_TIMEOUT_SECONDS, 2 * seconds)}`,
      () => {},
    );
    // Only MariaDB knows it.
    connection.query(`SET SESSION idle_transaction_timeout = ${2 * seconds}`, () => {});
  });
  return pool;
}

/** A connection of the pool; one that comes too late goes back. */
export function acquire(pool: Pool, signal: AbortSignal): Promise<PoolConnection> {
  const connecting = new Promise<PoolConnection>((resolve, reject) => {
    pool.getConnection((error, connection) => {
      if (error) reject(asPoolError(error));
      else resolve(connection);
    });
  });
  return untilAborted(connecting, signal).catch((error: unknown) => {
    if (signal.aborted) connecting.then((connection) => connection.release()).catch(() => {});
    throw error;
  });
}

/** Ends a connection for good: both directions of it, so that nothing is left of it here, whatever the server does. */
export function cut(connection: PoolConnection): void {
  connection.destroy();
  socketOf(connection).destroy();
}

/** The value, or the reason of the signal once that is given. */
export function untilAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    value.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function socketOf(connection: PoolConnection): Socket {
  return (connection as unknown as { stream: Socket }).stream;
}

/** Pools that have no connection to give say so without a code. Another one may be there soon, unless the pool is closed. */
function asPoolError(error: NodeJS.ErrnoException): Error {
  if (error.code !== undefined || error.message === "Pool is closed.") return error;
  return Object.assign(new Error(error.message, { cause: error }), { code: "POOL_BUSY" });
}
