import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, PoolConnection } from "mysql2";
import pRetry from "p-retry";
import { invalid } from "../../arguments.js";
import { GlobalChannelError, isGlobalChannelError, isUnavailable } from "../../errors.js";
import { isTemporary } from "./failures.js";
import type { MysqlSource } from "./options.js";
import { acquire, cut, isPool, isWhere, openPool, poolOf, untilAborted } from "./pool.js";
import { type Limits, type Row, Session } from "./session.js";

/** A database that nobody answers for is asked again, soon at first. */
const RETRY = { retries: Infinity, minTimeout: 10, factor: 2, maxTimeout: 500, randomize: true } as const;

/** What goes into one packet: at most this, and until it is known what the database takes. */
const [MAX_PACKET_BYTES, SAFE_PACKET_BYTES] = [4 * 1024 * 1024, 512 * 1024];

/**
 * The pool of connections, and calls that end: what fails for the moment is tried again, all within one deadline, after which
 * the connection is cut.
 */
export class MysqlDatabase {
  readonly timeoutMs: number;
  readonly #source: MysqlSource;
  readonly #calls = new Map<AbortController, Promise<unknown>>();
  /** The connections of a pool that was opened here. */
  readonly #opened = new Set<PoolConnection>();
  #pool: Pool | undefined;
  #isClosed = false;
  #limits: Limits = { takesMany: false, packetBytes: SAFE_PACKET_BYTES };

  /** @throws `GC_INVALID_ARGUMENT` */
  constructor(source: MysqlSource, timeoutMs: number) {
    if (!isPool(source) && !isWhere(source)) {
      throw invalid("source", source, "a URL mysql://…, options of mysql2, or a pool that mysql2 has made");
    }
    this.#source = source;
    this.timeoutMs = timeoutMs;
  }

  /**
   * Connects, and learns what the database can take.
   * @throws `GC_INVALID_OPTION` the connections are set up so that nothing could be relied on; what {@link run} throws
   */
  async open(): Promise<void> {
    this.#isClosed = false;
    const { timeoutMs } = this;
    this.#pool = isPool(this.#source) ? poolOf(this.#source) : openPool(this.#source, timeoutMs, this.#opened);
    try {
      this.#limits = await this.run((session) => learnLimits(session));
    } catch (error) {
      await this.close(true);
      throw error;
    }
  }

  /**
   * Waits for the calls under way, which with `force` fail with `GC_CLOSED`, and closes the connections that were opened here.
   */
  async close(force: boolean): Promise<void> {
    const pool = this.#pool;
    if (force) {
      this.#isClosed = true;
      for (const call of this.#calls.keys()) call.abort(closed());
    }
    await Promise.allSettled(this.#calls.values());
    this.#isClosed = true;
    this.#pool = undefined;
    if (!pool || isPool(this.#source)) return;
    const ended = new Promise<void>((resolve) => {
      pool.end(() => resolve());
    });
    // A server that hangs says no farewell.
    if (!force) await Promise.race([ended, sleep(this.timeoutMs, undefined, { ref: false })]);
    for (const connection of this.#opened) cut(connection);
  }

  /** Reads with one statement. 1 round trip. */
  read(statement: string): Promise<Row[]> {
    return this.run((session) => session.read(statement));
  }

  /**
   * Writes what may be written twice. 1 round trip.
   * @throws `GC_TIMEOUT` whether it was done is not known; what {@link run} throws: it was not done
   */
  async write(statements: readonly string[]): Promise<void> {
    let isSent = false;
    try {
      await this.run(async (session) => {
        isSent = true;
        await session.run(statements);
      });
    } catch (error) {
      if (!isSent || !isUnavailable(error)) throw error;
      throw unknownOutcome(error);
    }
  }

  /**
   * Does some work on one connection, again from the start where it fails for the moment: it must be such that what failed
   * has changed nothing, or may be done twice.
   * @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR`, `GC_CLOSED`, `GC_NOT_STARTED`
   */
  async run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const pool = this.#pool;
    if (this.#isClosed) throw closed();
    if (!pool) throw new GlobalChannelError("GC_NOT_STARTED", "call start() and wait for it first");
    const call = new AbortController();
    const result = this.#retry(pool, work, call);
    this.#calls.set(call, result);
    try {
      return await result;
    } catch (error) {
      // Whatever it failed with, that was why.
      throw this.#isClosed ? closed() : asStoreError(error);
    } finally {
      this.#calls.delete(call);
    }
  }

  async #retry<T>(pool: Pool, work: (session: Session) => Promise<T>, call: AbortController): Promise<T> {
    let lastError: unknown;
    const timer = setTimeout(() => call.abort(this.#timedOut(lastError)), this.timeoutMs);
    try {
      return await pRetry(() => this.#attempt(pool, work, call.signal), {
        ...RETRY,
        signal: call.signal,
        onFailedAttempt({ error }) {
          lastError = error;
        },
        shouldRetry: ({ error }) => !isGlobalChannelError(error) && isTemporary(error),
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempt<T>(pool: Pool, work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    const connection = await acquire(pool, signal);
    try {
      const result = await untilAborted(work(new Session(connection, this.#limits)), signal);
      connection.release();
      return result;
    } catch (error) {
      // A transaction that it has begun must not meet the next one who gets this connection.
      cut(connection);
      throw error;
    }
  }

  #timedOut(cause: unknown): GlobalChannelError {
    const why = cause instanceof Error ? `: ${cause.message || (cause as NodeJS.ErrnoException).code}` : "";
    const message = `the database has not done it within ${this.timeoutMs} ms${why}`;
    return new GlobalChannelError("GC_STORE_UNAVAILABLE", message, { cause });
  }
}

/** What is thrown where the answer to a write is lost for good. */
export function unknownOutcome(cause: unknown): GlobalChannelError {
  const message = "the database has not answered; whether the change was made is not known";
  return new GlobalChannelError("GC_TIMEOUT", message, { cause });
}

async function learnLimits(session: Session): Promise<Limits> {
  const takesMany = await session.takesMany();
  const rows = await session.read(
    `SHOW VARIABLES WHERE Variable_name IN
      ('max_allowed_packet', 'autocommit', 'tx_isolation', 'transaction_isolation', 'log_bin', 'binlog_format')`,
  );
  const variables = new Map(rows.map(([name, value]) => [String(name).toLowerCase(), String(value).toUpperCase()]));
  const refuse = (what: string): never => {
    throw new GlobalChannelError("GC_INVALID_OPTION", `the connections of the pool must have ${what}`);
  };
  if (variables.get("autocommit") !== "ON") refuse("autocommit on");
  const isolation = variables.get("transaction_isolation") ?? variables.get("tx_isolation");
  if (isolation === "READ-UNCOMMITTED") refuse("an isolation level above READ UNCOMMITTED");
  if (variables.get("log_bin") === "ON" && variables.get("binlog_format") === "STATEMENT") {
    refuse("binlog_format ROW or MIXED: with STATEMENT the server refuses transactions of READ COMMITTED");
  }
  const packetBytes = Math.min(Number(variables.get("max_allowed_packet")) / 2, MAX_PACKET_BYTES);
  return { takesMany, packetBytes };
}

function asStoreError(error: unknown): GlobalChannelError {
  if (isGlobalChannelError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new GlobalChannelError("GC_STORE_ERROR", `the database refused: ${message}`, { cause: error });
}

/** What is thrown after the stop. */
export function closed(): GlobalChannelError {
  return new GlobalChannelError("GC_CLOSED", "this manager has been stopped");
}
