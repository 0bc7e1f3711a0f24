import { chunks } from "../../batches.js";
import { Bound } from "../../bound.js";
import type { FrontendId } from "../../types.js";
import { BatchQueue } from "./batch-queue.js";
import type { MysqlDatabase } from "./database.js";
import { insert, keyOf, keyText, list, sql, text } from "./sql.js";
import type { Tables } from "./tables.js";

/** A session that has begun, or the last one that has ended. */
interface Note {
  type: "connect" | "disconnect";
  uid: string;
  frontend: FrontendId;
}

/** How many are written at once. */
const BATCH = 1000;
const MAX_WAITING = 100_000;
/** How many users are asked for in one query. */
const ASKED = 2000;

/** Who is connected where. */
export class Sessions {
  readonly #database: MysqlDatabase;
  readonly #tables: Tables;
  readonly notes: BatchQueue<readonly Note[], void>;

  constructor(manager: object, database: MysqlDatabase, tables: Tables) {
    this.#database = database;
    this.#tables = tables;
    this.notes = new BatchQueue({
      sizeOf: (notes) => notes.length,
      maxBatch: BATCH,
      bound: new Bound({
        source: manager,
        queue: "sessions",
        limit: MAX_WAITING,
        what: "sessions that wait to be written",
      }),
      timeoutMs: database.timeoutMs,
      run: async (jobs) => {
        await this.#write(jobs.flat());
        return jobs.map(() => {});
      },
    });
  }

  async read(uids: readonly string[]): Promise<FrontendId[][]> {
    const places = new Map<string, FrontendId[]>(uids.map((uid) => [keyText(keyOf(uid)), []]));
    const keys = [...places.keys()].map((key) => Buffer.from(key, "latin1"));
    const statements = chunks(keys, ASKED).map(
      (some) =>
        sql`SELECT uid_key, CAST(sid AS BINARY), CAST(incarnation AS BINARY) FROM ${this.#tables.sessions}
          WHERE uid_key IN ${list(some)}`,
    );
    const results = await this.#database.run((session) => session.run(statements));
    for (const [key, sid, incarnation] of results.flat()) {
      places.get(keyText(key as Buffer))!.push({ sid: String(sid), incarnation: String(incarnation) });
    }
    return uids.map((uid) => places.get(keyText(keyOf(uid)))!.map((place) => ({ ...place })));
  }

  async count(sids: readonly string[]): Promise<number[]> {
    if (sids.length === 0) return [];
    const rows = await this.#database.read(
      sql`SELECT sid_key, COUNT(*) FROM ${this.#tables.sessions} WHERE sid_key IN ${list(sids.map(keyOf))} GROUP BY sid_key`,
    );
    const counts = new Map(rows.map(([key, count]) => [keyText(key as Buffer), Number(count)]));
    return sids.map((sid) => counts.get(keyText(keyOf(sid))) ?? 0);
  }

  async forget(sid: string): Promise<void> {
    await this.#database.write([sql`DELETE FROM ${this.#tables.sessions} WHERE sid_key = ${keyOf(sid)}`]);
  }

  /** Writes in the order of the calls, those of one kind that follow one another together. */
  async #write(notes: readonly Note[]): Promise<void> {
    const runs: { type: Note["type"]; notes: Map<string, Note> }[] = [];
    for (const note of notes) {
      const run = runs.at(-1);
      const key = JSON.stringify([
        note.uid,
        note.frontend.sid,
        note.type === "disconnect" && note.frontend.incarnation,
      ]);
      if (run?.type === note.type) run.notes.set(key, note);
      else runs.push({ type: note.type, notes: new Map([[key, note]]) });
    }
    const statements = runs.flatMap(({ type, notes: some }) =>
      type === "connect" ? this.#connect([...some.values()]) : this.#disconnect([...some.values()]),
    );
    if (statements.length === 0) return;
    // Doing all of them twice is the same as once.
    await this.#database.write(["START TRANSACTION", ...statements, "COMMIT"]);
  }

  #connect(notes: readonly Note[]): string[] {
    const rows = notes.map(({ uid, frontend: { sid, incarnation } }) => [
      ...[keyOf(uid), keyOf(sid), text(uid), text(sid), text(incarnation)],
    ]);
    return insert(
      `INSERT INTO ${this.#tables.sessions} (uid_key, sid_key, uid, sid, incarnation)`,
      // In the order of the index, in which others lock it too.
      rows.toSorted(([one], [other]) => one!.compare(other!)),
      "",
      "ON DUPLICATE KEY UPDATE incarnation = VALUES(incarnation)",
    );
  }

  #disconnect(notes: readonly Note[]): string[] {
    const byFrontend = new Map<string, { frontend: FrontendId; uids: string[] }>();
    for (const { uid, frontend } of notes) {
      const key = JSON.stringify([frontend.sid, frontend.incarnation]);
      const there = byFrontend.get(key) ?? { frontend, uids: [] };
      byFrontend.set(key, there);
      there.uids.push(uid);
    }
    return [...byFrontend.values()].map(
      ({ frontend: { sid, incarnation }, uids }) =>
        sql`DELETE FROM ${this.#tables.sessions} WHERE sid_key = ${keyOf(sid)} AND incarnation = ${text(incarnation)}
          AND uid_key IN ${list(uids.map(keyOf))}`,
    );
  }
}
