import { chunks } from "../../batches.js";
import { reportError } from "../../diagnostics.js";
import { atEdge } from "../../member-sets.js";
import type { ChangeListener, MemberSetChange, Unsubscribe } from "../../types.js";
import { ChangeListeners } from "../change-listeners.js";
import { inOrder } from "./change-order.js";
import { EDGE_TYPES } from "./channel-edges.js";
import { closed, type MysqlDatabase } from "./database.js";
import type { Row } from "./session.js";
import { keyOf, keyText, list, literal, sql } from "./sql.js";
import { CHANGES_SECONDS, type Tables } from "./tables.js";

/** What has been read of the changes at one frontend. */
interface Cursor {
  sid: string;
  key: Buffer;
  /** The number of the last change that was told. */
  seq: number;
}

/** A frontend that has changes up to a number. */
interface Moved {
  cursor: Cursor;
  to: number;
}

/** How many changes are read at once, each of up to 1,000 uids, and how many of each frontend at least. */
const [PAGE, LEAST] = [200, 10];
/** From how many frontends: the time that a condition of many ranges takes grows with the square of their number. */
const RANGES = 20;

interface ChangeFeedOptions {
  database: MysqlDatabase;
  tables: Tables;
  pollMs: number;
  report: (error: unknown) => void;
}

/**
 * Tells of changes by asking the database for them, in one or two queries for all who watch in this process, however many. The
 * changes at a frontend are numbered without a hole, so that what was missed, because it was deleted before it was read, shows.
 * Those of different frontends are told in the order in which they were made, where channels begin or end.
 */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions;
  readonly #listeners = new ChangeListeners((error) => reportError(this, error));
  /** By the text of the sid's key. */
  readonly #cursors = new Map<string, Cursor>();
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #isPollWanted = false;
  /** How often it was stopped: who began to watch before that does not watch after it. */
  #stops = 0;
  #polledAt = -Infinity;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
  }

  async watch(sid: string, listener: ChangeListener): Promise<Unsubscribe> {
    const key = keyOf(sid);
    const [last] = await this.#readLast(sql`WHERE sid_key = ${key}`);
    // Nothing may come between this and the listener.
    this.#cursorOf(key, sid, last?.seq ?? 0);
    return this.#listen(listener, sid);
  }

  async watchAll(listener: ChangeListener): Promise<Unsubscribe> {
    for (const { key, sid, seq } of await this.#readLast("")) this.#cursorOf(key, sid, seq);
    return this.#listen(listener);
  }

  /** Asks at once: something has been written here. */
  poke(): void {
    if (!this.#listeners.isAny) return;
    this.#isPollWanted = true;
    this.#polling ??= this.#poll();
  }

  async stop(): Promise<void> {
    this.#stops++;
    this.#listeners.clear();
    this.#cursors.clear();
    this.#schedule();
    await this.#polling;
  }

  #listen(listener: ChangeListener, sid?: string): Unsubscribe {
    const remove = this.#listeners.add(listener, sid);
    this.#schedule();
    return () => {
      remove();
      this.#schedule();
    };
  }

  async #readLast(where: string): Promise<Cursor[]> {
    const { database, tables } = this.#options;
    const stops = this.#stops;
    const rows = await database.read(sql`SELECT sid_key, CAST(sid AS BINARY), seq FROM ${tables.frontends} ${where}`);
    if (stops !== this.#stops) throw closed();
    return rows.map(([key, sid, seq]) => ({ key: key as Buffer, sid: String(sid), seq: Number(seq) }));
  }

  /** The cursor of a frontend; a new one begins after `seq`. */
  #cursorOf(key: Buffer, sid: string, seq: number): Cursor {
    const text = keyText(key);
    const cursor = this.#cursors.get(text) ?? { sid, key, seq };
    this.#cursors.set(text, cursor);
    return cursor;
  }

  /** Polls as long as somebody watches, and forgets the frontends that nobody watches. */
  #schedule(): void {
    if (!this.#listeners.isForAll) {
      for (const [key, { sid }] of this.#cursors) if (!this.#listeners.has(sid)) this.#cursors.delete(key);
    }
    if (this.#listeners.isAny) {
      if (!this.#timer) this.#polledAt = performance.now();
      this.#timer ??= setInterval(() => this.poke(), this.#options.pollMs).unref();
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  async #poll(): Promise<void> {
    while (this.#isPollWanted && this.#listeners.isAny) {
      this.#isPollWanted = false;
      try {
        await this.#pollOnce();
      } catch (error) {
        this.#options.report(error);
      }
    }
    // In the same turn as the last look: who pokes now begins anew.
    this.#polling = undefined;
  }

  async #pollOnce(): Promise<void> {
    const { database, tables } = this.#options;
    const known = new Set(this.#cursors.values());
    const isAllWatched = this.#listeners.isForAll;
    const where = isAllWatched ? "" : sql`WHERE sid_key IN ${list([...known].map(({ key }) => key))}`;
    const frontends = await database.read(
      sql`SELECT sid_key, CAST(sid AS BINARY), began, seq FROM ${tables.frontends} ${where}`,
    );
    // Nobody knows what became of rows that were there when this process was last awake.
    const isLate = performance.now() - this.#polledAt > CHANGES_SECONDS * 1000;
    this.#polledAt = performance.now();
    const moved: Moved[] = [];
    for (const [key, sid, began, seq] of frontends) {
      const isNew = !this.#cursors.has(keyText(key as Buffer));
      // Nobody watches this one any more.
      if (isNew && !(isAllWatched && this.#listeners.isForAll)) continue;
      const cursor = this.#cursorOf(key as Buffer, String(sid), Number(began));
      // It was read meanwhile where this one begins: what has been read here may be older.
      if (!isNew && !known.delete(cursor)) continue;
      // The row is new: there is nothing before it that was not told of.
      if (cursor.seq < Number(began) && isLate) this.#skip(cursor, Number(began));
      cursor.seq = Math.max(cursor.seq, Number(began));
      if (cursor.seq > Number(seq)) this.#skip(cursor, Number(seq));
      else if (cursor.seq < Number(seq)) moved.push({ cursor, to: Number(seq) });
    }
    // The database has forgotten them.
    for (const { key, sid } of known) if (!this.#listeners.has(sid)) this.#cursors.delete(keyText(key));
    if (moved.length > 0) await this.#read(moved);
  }

  /** Reads and tells the next changes of all these frontends. */
  async #read(moved: readonly Moved[]): Promise<void> {
    const most = Math.max(LEAST, Math.ceil(PAGE / moved.length));
    const pages = moved.map(({ cursor, to }) => ({ cursor, to: Math.min(to, cursor.seq + most), end: to }));
    const rows = inOrder(await this.#readRows(pages));
    const lastTokens = new Map(rows.map(({ row: [key], token }) => [keyText(key as Buffer), token]));
    // What comes after the last one of a frontend that has more may be after some of those, too.
    const cut = pages.filter(({ to, end }) => to < end);
    const [until] = cut
      .flatMap(({ cursor: { key } }) => lastTokens.get(keyText(key)) ?? [])
      .toSorted((a, b) => a.compare(b));
    const isTold = (token: Buffer | undefined): boolean => !until || !token || token.compare(until) <= 0;
    for (const { row } of rows.filter(({ token }) => isTold(token))) {
      const cursor = this.#cursors.get(keyText(row[0] as Buffer));
      const seq = Number(row[2]);
      if (!cursor || seq <= cursor.seq) continue;
      if (seq > cursor.seq + 1) this.#skip(cursor, seq - 1);
      cursor.seq = seq;
      this.#listeners.tell(changeOf(row, cursor.sid));
    }
    if (cut.length > 0) this.#isPollWanted = true;
    for (const { cursor, to } of pages) {
      if (cursor.seq < to && isTold(lastTokens.get(keyText(cursor.key)))) this.#skip(cursor, to);
    }
  }

  /** The changes of these frontends, in their order for each. */
  async #readRows(pages: readonly Moved[]): Promise<Row[]> {
    const { database, tables } = this.#options;
    const rows: Row[] = [];
    for (const some of chunks(pages, RANGES)) {
      const ranges = some.map(
        ({ cursor: { key, seq }, to }) => `(sid_key = ${literal(key)} AND seq > ${seq} AND seq <= ${to})`,
      );
      const read = await database.read(
        `SELECT sid_key, token, seq, CAST(name AS BINARY), CAST(version AS BINARY), CAST(type AS BINARY),
           CAST(reason AS BINARY), uids FROM ${tables.changes} WHERE ${ranges.join(" OR ")} ORDER BY sid_key, seq`,
      );
      rows.push(...read);
    }
    return rows;
  }

  /** Goes on at another change than the next one. */
  #skip(cursor: Cursor, seq: number): void {
    cursor.seq = seq;
    this.#listeners.tellGap(cursor.sid);
  }
}

function changeOf([, , , name, version, logged, reason, uids]: Row, sid: string): MemberSetChange {
  const edge = TYPES_OF_EDGES.get(String(logged));
  const type = edge ?? String(logged);
  const set = { name: String(name), sid };
  const change = {
    type,
    ...set,
    ...(type !== "clear" && {
      version: version === null ? undefined : String(version),
      uids: JSON.parse(String(uids)) as string[],
      reason: String(reason),
    }),
  } as MemberSetChange;
  return edge ? atEdge(change) : change;
}

const TYPES_OF_EDGES = new Map<string, string>(Object.entries(EDGE_TYPES).map(([type, edge]) => [edge, type]));
