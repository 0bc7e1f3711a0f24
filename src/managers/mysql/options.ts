import type { Pool, PoolOptions } from "mysql2";
import type { Pool as PromisePool } from "mysql2/promise";
import { invalid } from "../../arguments.js";
import { aBoolean, milliseconds, resolveOptions } from "../../options.js";

/** Where the database is: a URL (`mysql://user:password@host:3306/database`), options of `mysql2`, or a pool of either API. */
export type MysqlSource = string | PoolOptions | Pool | PromisePool;

export interface MysqlChannelManagerOptions {
  /** What the name of every table begins with: letters, digits and `_`, at most 32. @default "gc" */
  prefix?: string;
  /**
   * How long a call may wait for its turn, and then how long the database may take, in milliseconds, all retries
   * included; at most 25000. @default 5000
   */
  timeoutMs?: number;
  /** How often a process that watches asks for changes, in milliseconds. @default 100 */
  pollMs?: number;
  /** Whether `start` creates the tables that are missing. @default true */
  createTables?: boolean;
}

/** Well below the time for which changes are kept, where one whose answer was lost is looked for. */
const MAX_TIMEOUT_MS = 25_000;

/** The longest prefix: names of tables have 64 characters. */
const PREFIX = /^[A-Za-z_][A-Za-z0-9_]{0,31}$/;

/** @throws `GC_INVALID_OPTION` */
export function resolveMysqlOptions(options: unknown) {
  return resolveOptions("MysqlChannelManager", options, {
    prefix: checkPrefix,
    timeoutMs: milliseconds(5000, 100, MAX_TIMEOUT_MS),
    pollMs: milliseconds(100),
    createTables: aBoolean(true),
  });
}

/** Its value goes into SQL as it is, so nothing but a plain identifier is let through. */
export function checkPrefix(option: string, value: unknown = "gc"): string {
  if (typeof value !== "string" || !PREFIX.test(value)) {
    throw invalid(option, value, "letters, digits and _, beginning with no digit, at most 32 characters");
  }
  return value;
}
