import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createPool,
  type Pool as CallbackPool,
  type PoolConnection as CallbackConnection,
  type PoolOptions,
} from "mysql2";
import type { Pool, PoolConnection } from "mysql2/promise";
import pRetry from "p-retry";
import { invalid } from "../../arguments.js";
import { GlobalChannelError, isGlobalChannelError } from "../../errors.js";
import { isTemporary } from "./failures.js";
import type { MysqlSource } from "./options.js";

/** A row, its columns in the order of the statement: text as bytes, since a connection may have any character set. */
export type Row = (number | string | Buffer | null)[];

/** A database that nobody answers for is asked again, soon at first. */
const RETRY = { retries: Infinity, minTimeout: 10, factor: 2, maxTimeout: 500, randomize: true } as const;

/** What goes into one packet if the database does not say how much it takes. */
const DEFAULT_PACKET_BYTES = 1024 * 1024;
const MAX_PACKET_BYTES = 4 * 1024 * 1024;

/**
 * The pool of connections, and calls that end: what fails for the moment is tried again, all within one deadline, after which
 * the connection is cut, so that nothing goes on behind the caller's back.
 */
export class MysqlDatabase {
  readonly timeoutMs: number;
  readonly #source: MysqlSource;
  readonly #calls = new Set<AbortController>();
  /** The connections of a pool that was opened here. */
  readonly #opened = new Set<CallbackConnection>();
  #pool: Pool | undefined;
  #isClosed = false;
  #takesMany = false;
  #packetBytes = DEFAULT_PACKET_BYTES;

  /** @throws `GC_INVALID_ARGUMENT` */
  constructor(source: MysqlSource, timeoutMs: number) {
    if (!isPool(source) && !isWhere(source)) {
      throw invalid("source", source, "a URL mysql://…, options of mysql2, or a pool that mysql2 has made");
    }
    this.#source = source;
    this.timeoutMs = timeoutMs;
  }

  /** Connects, and learns what the database can take. */
  async open(): Promise<void> {
    this.#isClosed = false;
    this.#pool = isPool(this.#source) ? promisePool(this.#source) : this.#openPool(this.#source);
    try {
      await this.run(async (session) => {
        this.#takesMany = await session.takesMany();
        const [row] = await session.read("SELECT @@max_allowed_packet, @@autocommit");
        this.#packetBytes = Math.min(Number(row?.[0]) / 2, MAX_PACKET_BYTES);
        if (Number(row?.[1]) !== 1) {
          throw new GlobalChannelError("GC_INVALID_OPTION", "the connections of the pool must have autocommit on");
        }
      });
    } catch (error) {
      await this.close(true);
      throw error;
    }
  }

  /** Closes the connections that were opened here; with `force`, calls under way fail with `GC_CLOSED`. */
  async close(force: boolean): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    this.#isClosed = true;
    if (force) for (const call of this.#calls) call.abort(closed());
    if (!pool || isPool(this.#source)) return;
    const ended = pool.end().catch(() => {});
    // A server that hangs says no farewell.
    if (!force) await Promise.race([ended, sleep(this.timeoutMs, undefined, { ref: false })]);
    for (const connection of this.#opened) connection.destroy();
  }

  /** Reads with one statement. 1 round trip. */
  read(statement: string): Promise<Row[]> {
    return this.run((session) => session.read(statement));
  }

  /**
   * Does some work on one connection, again from the start where it fails for the moment: it must be such that what failed
   * has changed nothing, or may be done twice.
   * @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR`, `GC_CLOSED`, `GC_NOT_STARTED`
   */
  async run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const pool = this.#pool;
    if (!pool) {
      if (this.#isClosed) throw closed();
      throw new GlobalChannelError("GC_NOT_STARTED", "call start() and wait for it first");
    }
    const call = new AbortController();
    let lastError: unknown;
    const timer = setTimeout(() => call.abort(this.#timedOut(lastError)), this.timeoutMs);
    this.#calls.add(call);
    try {
      return await pRetry(() => this.#attempt(pool, work, call.signal), {
        ...RETRY,
        signal: call.signal,
        onFailedAttempt({ error }) {
          lastError = error;
        },
        shouldRetry: ({ error }) => !isGlobalChannelError(error) && isTemporary(error),
      });
    } catch (error) {
      throw asStoreError(error);
    } finally {
      clearTimeout(timer);
      this.#calls.delete(call);
    }
  }

  #openPool(source: string | PoolOptions): Pool {
    const where: PoolOptions = typeof source === "string" ? { uri: source } : source;
    const pool = createPool({ connectTimeout: this.timeoutMs, ...where, multipleStatements: true });
    pool.on("connection", (connection) => {
      this.#opened.add(connection);
      (connection as unknown as { stream: Socket }).stream.once("close", () => this.#opened.delete(connection));
    });
    return pool.promise();
  }

  async #attempt<T>(pool: Pool, work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    const connection = await acquire(pool, signal);
    try {
      const session = new Session(connection, this.#takesMany, this.#packetBytes);
      const result = await untilAborted(work(session), signal);
      connection.release();
      return result;
    } catch (error) {
      // Whatever it has begun must not go on, nor meet the next one who gets this connection.
      connection.destroy();
      throw error;
    }
  }

  #timedOut(cause: unknown): GlobalChannelError {
    const why = cause instanceof Error ? `: ${cause.message || (cause as NodeJS.ErrnoException).code}` : "";
    const message = `the database has not done it within ${this.timeoutMs} ms${why}`;
    return new GlobalChannelError("GC_STORE_UNAVAILABLE", message, { cause });
  }
}

/** One connection, while it is lent. */
export class Session {
  readonly #connection: PoolConnection;
  readonly #takesMany: boolean;
  readonly #packetBytes: number;

  constructor(connection: PoolConnection, takesMany: boolean, packetBytes: number) {
    this.#connection = connection;
    this.#takesMany = takesMany;
    this.#packetBytes = packetBytes;
  }

  async read(statement: string): Promise<Row[]> {
    const [rows = []] = await this.run([statement]);
    return rows;
  }

  /**
   * Runs statements in order, up to the first that fails; resolves the rows of each. 1 round trip, or several if they are
   * too long for that; one for each if the connection takes only single statements.
   */
  async run(statements: readonly string[]): Promise<Row[][]> {
    if (!this.#takesMany) {
      const results: Row[][] = [];
      for (const statement of statements) results.push(rowsOf(await this.#query(statement)));
      return results;
    }
    const results: Row[][] = [];
    for (const packet of packets(statements, this.#packetBytes)) {
      const answer = await this.#query(packet.join(";\n"));
      if (packet.length === 1) results.push(rowsOf(answer));
      else results.push(...(answer as unknown[]).map(rowsOf));
    }
    return results;
  }

  /** Runs one statement and resolves how many rows it has changed. */
  async affect(statement: string): Promise<number> {
    return ((await this.#query(statement)) as { affectedRows: number }).affectedRows;
  }

  /** Whether several statements may go into one packet, which the application may have left off in its pool. */
  async takesMany(): Promise<boolean> {
    try {
      await this.#query("DO 1; DO 1");
      return true;
    } catch (error) {
      if ((error as { errno?: number }).errno === ER_PARSE_ERROR) return false;
      throw error;
    }
  }

  async #query(statement: string): Promise<unknown> {
    // Explicit, since a pool of the application's may have other defaults.
    const [answer] = await this.#connection.query({
      sql: statement,
      rowsAsArray: true,
      // Only a function takes the place of one that the pool has.
      typeCast: asUsual,
      nestTables: false,
      namedPlaceholders: false,
    });
    return answer;
  }
}

const ER_PARSE_ERROR = 1064;

function asUsual(_field: unknown, next: () => unknown): unknown {
  return next();
}

/** Rows, or none where the statement gives none. */
function rowsOf(answer: unknown): Row[] {
  return Array.isArray(answer) ? (answer as Row[]) : [];
}

/** Statements in as few packets as they go into. */
function packets(statements: readonly string[], maxBytes: number): string[][] {
  const result: string[][] = [];
  let room = 0;
  for (const statement of statements) {
    if (statement.length + 2 > room) {
      result.push([]);
      room = maxBytes;
    }
    result.at(-1)!.push(statement);
    room -= statement.length + 2;
  }
  return result;
}

function isPool(source: unknown): source is CallbackPool | Pool {
  return typeof (source as Partial<Pool> | null)?.getConnection === "function";
}

function isWhere(source: unknown): boolean {
  if (typeof source === "string") return source.startsWith("mysql://");
  return typeof source === "object" && source !== null && !Array.isArray(source);
}

function promisePool(pool: CallbackPool | Pool): Pool {
  return "promise" in pool && typeof pool.promise === "function" ? pool.promise() : (pool as Pool);
}

/** A connection of the pool; one that comes too late goes back. */
function acquire(pool: Pool, signal: AbortSignal): Promise<PoolConnection> {
  const connecting = pool.getConnection();
  return untilAborted(connecting, signal).catch((error: unknown) => {
    if (signal.aborted) connecting.then((connection) => connection.release()).catch(() => {});
    throw error;
  });
}

/** The value, or the reason of the signal once that is given. */
function untilAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    value.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function asStoreError(error: unknown): GlobalChannelError {
  if (isGlobalChannelError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new GlobalChannelError("GC_STORE_ERROR", `the database refused: ${message}`, { cause: error });
}

function closed(): GlobalChannelError {
  return new GlobalChannelError("GC_CLOSED", "this manager has been stopped");
}
