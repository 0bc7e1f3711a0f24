import type { PoolConnection } from "mysql2";
import { chunksBySize } from "../../batches.js";

/** A row, its columns in the order of the statement: text as bytes, since a connection may have any character set. */
export type Row = (number | string | Buffer | null)[];

/** What the connections of a pool can take. */
export interface Limits {
  /** Whether several statements may go into one packet. */
  takesMany: boolean;
  /** How much goes into one packet. */
  packetBytes: number;
}

/** One connection, while it is lent. */
export class Session {
  readonly #connection: PoolConnection;
  readonly #limits: Limits;

  constructor(connection: PoolConnection, limits: Limits) {
    this.#connection = connection;
    this.#limits = limits;
  }

  async read(statement: string): Promise<Row[]> {
    return rowsOf(await this.#query(statement));
  }

  /**
   * Runs statements in order, up to the first that fails; resolves the rows of each. 1 round trip, or several if they are
   * too long for that; one for each if the connection takes only single statements.
   *
   * @param beforeLast called before the packet is sent that has the last one
   */
  async run(statements: readonly string[], beforeLast?: () => void): Promise<Row[][]> {
    const results: Row[][] = [];
    const all = this.#limits.takesMany
      ? chunksBySize(statements, this.#limits.packetBytes, ({ length }) => length + SEPARATOR.length)
      : statements.map((statement) => [statement]);
    for (const [index, packet] of all.entries()) {
      if (index === all.length - 1) beforeLast?.();
      const answer = await this.#query(packet.join(SEPARATOR));
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

  #query(statement: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#connection.query(
        {
          sql: statement,
          // Explicit, since a pool of the application's may have other defaults.
          rowsAsArray: true,
          nestTables: false,
          namedPlaceholders: false,
          // Only a function takes the place of one that the pool has.
          typeCast: asUsual,
        },
        (error, answer) => {
          if (error) reject(error);
          else resolve(answer);
        },
      );
    });
  }
}

/** What is between two statements. */
const SEPARATOR = ";\n";

const ER_PARSE_ERROR = 1064;

function asUsual(_field: unknown, next: () => unknown): unknown {
  return next();
}

/** Rows, or none where the statement gives none. */
function rowsOf(answer: unknown): Row[] {
  return Array.isArray(answer) ? (answer as Row[]) : [];
}
