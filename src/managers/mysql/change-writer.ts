import { randomBytes } from "node:crypto";
import type { Awaitable, MemberSetChange } from "../../types.js";
import { tokenOf } from "./change-order.js";
import { EDGE_TYPES } from "./channel-edges.js";
import { type MysqlDatabase, unknownOutcome } from "./database.js";
import { isRefusal } from "./failures.js";
import type { Row, Session } from "./session.js";
import { insert, keyOf, keyText, list, sql, text } from "./sql.js";
import type { Tables } from "./tables.js";

/** A change of member sets at these frontends. */
export interface Plan<T> {
  sids: readonly string[];
  /** What it has to know, read when nobody else can change it any more. */
  reads: readonly string[];
  /** Says what is to be written, from what was read. */
  draft(results: Row[][], session: Session): Awaitable<Draft<T>>;
}

export interface Draft<T> {
  result: T;
  /** What writes it. */
  statements: readonly string[];
  /** What those who watch are told, in order. */
  changes: readonly MemberSetChange[];
  /** When the last lock was had, by {@link CLOCK}. @default when the frontends were to be locked */
  madeAt?: number;
}

/** The row of a frontend, while nobody else may change it. */
interface Lock {
  key: Buffer;
  /** The number of the last change there. */
  seq: number;
}

/** A transaction of which nobody knows whether it was committed, and the first change that it has logged if it was. */
interface Uncertain<T> {
  result: T;
  sidKey: Buffer;
  seq: number;
  token: Buffer;
}

/**
 * Changes member sets, each change as a whole, once, and with a log of it for those who watch.
 *
 * Whoever changes a member set holds the lock of its frontend's row, taken in the order of the keys, so that
 * deadlocks are rare, and the changes at one frontend are numbered in the order in which they are committed. A transaction whose
 * connection breaks while it is committed is looked for in the log before it is done again.
 */
export class ChangeWriter {
  readonly #database: MysqlDatabase;
  readonly #tables: Tables;
  readonly #written: () => void;
  /** Frontends that surely have had a row. */
  readonly #knownSids = new Set<string>();

  /** @param written called after each commit */
  constructor(database: MysqlDatabase, tables: Tables, written: () => void) {
    this.#database = database;
    this.#tables = tables;
    this.#written = written;
  }

  /** @throws `GC_TIMEOUT` whether it was done is not known; what {@link MysqlDatabase.run} throws: it was not done */
  async write<T>(plan: Plan<T>): Promise<T> {
    let uncertain: Uncertain<T> | undefined;
    const attempt = async (session: Session): Promise<T> => {
      const { locks, lockedAt, results } = await this.#lock(session, plan);
      if (uncertain && (await this.#isCommitted(session, uncertain))) {
        await session.run(["ROLLBACK"]);
        return uncertain.result;
      }
      uncertain = undefined;
      const { result, statements, changes, madeAt = lockedAt } = await plan.draft(results, session);
      const log = this.#log(changes, locks, madeAt);
      const [first] = log.rows;
      try {
        await session.run([...statements, ...log.statements, "COMMIT"], () => {
          if (first) uncertain = { result, sidKey: first[0], seq: first[1], token: first[2] };
        });
      } catch (error) {
        if (isRefusal(error)) uncertain = undefined;
        throw error;
      }
      return result;
    };
    try {
      const result = await this.#database.run(attempt);
      this.#written();
      return result;
    } catch (error) {
      throw uncertain ? unknownOutcome(error) : error;
    }
  }

  /** Begins a transaction that holds the locks of the frontends. Resolves those, by their sid, and what was read. */
  async #lock(
    session: Session,
    { sids, reads }: Pick<Plan<unknown>, "sids" | "reads">,
  ): Promise<{ locks: Map<string, Lock>; lockedAt: number; results: Row[][] }> {
    const { frontends } = this.#tables;
    const wanted = [...new Set(sids)].map((sid) => ({ sid, key: keyOf(sid) }));
    const sorted = wanted.toSorted((one, other) => one.key.compare(other.key));
    const byKey = new Map(sorted.map((frontend) => [keyText(frontend.key), frontend]));
    for (;;) {
      if (this.#knownSids.size > MAX_KNOWN) this.#knownSids.clear();
      const unknown = sorted.filter(({ sid }) => !this.#knownSids.has(sid));
      const creations = insert(
        `INSERT IGNORE INTO ${frontends} (sid_key, sid, began, seq, changed_at)`,
        unknown.map(({ sid, key }) => [key, text(sid)]),
        // Numbers go on from the clock, so that they are above where an earlier row of the same frontend has ended.
        `${CLOCK}, ${CLOCK}, UNIX_TIMESTAMP()`,
      );
      const answers = await session.run([
        ...creations,
        // Locks no gaps, which would make strangers wait for one another.
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "START TRANSACTION",
        sql`SELECT sid_key, seq, ${CLOCK} FROM ${frontends} WHERE sid_key IN ${list(sorted.map(({ key }) => key))}
          ORDER BY sid_key FOR UPDATE`,
        ...reads,
      ]);
      const [locked = [], ...results] = answers.slice(creations.length + 2);
      if (locked.length === sorted.length) {
        for (const { sid } of unknown) this.#knownSids.add(sid);
        const locks = locked.map(([key, seq]): [string, Lock] => {
          const frontend = byKey.get(keyText(key as Buffer))!;
          return [frontend.sid, { key: frontend.key, seq: Number(seq) }];
        });
        return { locks: new Map(locks), lockedAt: Number(locked[0]?.[2]), results };
      }
      // Rows of frontends that nothing was heard of for long are deleted.
      for (const { sid } of sorted) this.#knownSids.delete(sid);
      await session.run(["ROLLBACK"]);
    }
  }

  async #isCommitted(session: Session, { sidKey, seq, token }: Uncertain<unknown>): Promise<boolean> {
    const found = await session.read(
      sql`SELECT 1 FROM ${this.#tables.changes} WHERE sid_key = ${sidKey} AND seq = ${seq} AND token = ${token}`,
    );
    return found.length > 0;
  }

  /** What writes the log. */
  #log(changes: readonly MemberSetChange[], locks: ReadonlyMap<string, Lock>, madeAt: number) {
    const { changes: table, frontends } = this.#tables;
    const moved = new Map<string, Lock>();
    const random = randomBytes(5);
    const rows = changes.map((change, place) => {
      const { key, seq: last } = moved.get(change.sid) ?? locks.get(change.sid)!;
      const seq = last + 1;
      moved.set(change.sid, { key, seq });
      const { version, reason, uids } = change.type === "clear" ? CLEAR : change;
      return [
        key,
        seq,
        tokenOf(madeAt, place, random),
        text(change.name),
        version === undefined ? null : text(version),
        text(isEdge(change) ? EDGE_TYPES[change.type] : change.type),
        text(reason),
        text(JSON.stringify(uids)),
      ] as const;
    });
    const columns = "sid_key, seq, token, name, version, type, reason, uids";
    return {
      rows,
      statements: [
        ...insert(`INSERT INTO ${table} (${columns}, made_at)`, rows, "UNIX_TIMESTAMP()"),
        ...insert(
          `INSERT INTO ${frontends} (sid_key, sid, began, seq, changed_at)`,
          [...moved].map(([sid, { key, seq }]) => [key, text(sid), seq, seq]),
          "UNIX_TIMESTAMP()",
          "ON DUPLICATE KEY UPDATE seq = VALUES(seq), changed_at = VALUES(changed_at)",
        ),
      ],
    };
  }
}

/** How many frontends are kept in mind. */
const MAX_KNOWN = 10_000;

/** SQL: the time at which its statement begins, in microseconds since 1970. */
export const CLOCK = "UNIX_TIMESTAMP() * 1000000 + MICROSECOND(NOW(6))";

const CLEAR = { version: undefined, reason: "destroyed", uids: [] } as const;

function isEdge(change: MemberSetChange): boolean {
  return (change.type === "join" ? change.created : change.emptied) === true;
}
