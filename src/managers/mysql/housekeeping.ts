import { Periodic } from "../../periodic.js";
import type { MysqlDatabase } from "./database.js";
import type { MemberSets } from "./member-sets.js";
import { list, sql } from "./sql.js";
import { CHANGES_SECONDS, type Tables } from "./tables.js";

/** How often what is no longer needed is looked for, in milliseconds. */
const INTERVAL_MS = 15_000;
/** After how long somebody else goes on with telling of a destroyed channel, in seconds. */
const DESTROYED_SECONDS = 60;
/** After how long a frontend without members is forgotten, in seconds. */
const FRONTEND_SECONDS = 3600;
/** How many rows are deleted at once. */
const STEP = 5000;

interface HousekeepingOptions {
  database: MysqlDatabase;
  tables: Tables;
  memberSets: MemberSets;
  report: (error: unknown) => void;
}

/** Deletes what nobody needs any more, and ends what a process that died has begun. Any number of processes may do it at once. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #rounds: Periodic;
  #isStopped = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    this.#rounds = new Periodic(() => this.tidy(), INTERVAL_MS, options.report);
  }

  start(): void {
    this.#isStopped = false;
    this.#rounds.start();
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#rounds.stop();
  }

  async tidy(): Promise<void> {
    const { database, tables, memberSets } = this.#options;
    await this.#deleteAll(
      sql`DELETE FROM ${tables.changes} WHERE made_at < UNIX_TIMESTAMP() - ${CHANGES_SECONDS} LIMIT ${STEP}`,
    );
    const destroyed = await database.read(
      sql`SELECT set_id, CAST(name AS BINARY), CAST(sid AS BINARY) FROM ${tables.destroyed}
        WHERE destroyed_at < UNIX_TIMESTAMP() - ${DESTROYED_SECONDS}`,
    );
    for (const [id, name, sid] of destroyed) {
      // Somebody else goes on, or this one after its next start.
      if (this.#isStopped) return;
      const told = memberSets.tellDestroyed({ id: Number(id), name: String(name), sid: String(sid) });
      // One that cannot be done is not to keep all others waiting.
      await told.catch(this.#options.report);
    }
    await this.#forgetFrontends();
  }

  async #forgetFrontends(): Promise<void> {
    const { database, tables } = this.#options;
    const isOld = sql`changed_at < UNIX_TIMESTAMP() - ${FRONTEND_SECONDS}`;
    // Looked for before they are locked: a deletion that looks for them itself locks the others, too.
    const rows = await database.read(
      sql`SELECT f.sid_key FROM ${tables.frontends} f WHERE ${isOld}
        AND NOT EXISTS (SELECT 1 FROM ${tables.sets} s WHERE s.sid_key = f.sid_key)
        AND NOT EXISTS (SELECT 1 FROM ${tables.changes} c WHERE c.sid_key = f.sid_key) LIMIT ${STEP}`,
    );
    if (rows.length === 0) return;
    const keys = list(rows.map(([key]) => key as Buffer));
    await this.#delete(sql`DELETE FROM ${tables.frontends} WHERE sid_key IN ${keys} AND ${isOld}`);
  }

  async #deleteAll(statement: string): Promise<void> {
    while ((await this.#delete(statement)) === STEP && !this.#isStopped);
  }

  #delete(statement: string): Promise<number> {
    return this.#options.database.run(async (session) => {
      // So that it locks no gaps, into which others write.
      await session.run(["SET TRANSACTION ISOLATION LEVEL READ COMMITTED"]);
      return session.affect(statement);
    });
  }
}
