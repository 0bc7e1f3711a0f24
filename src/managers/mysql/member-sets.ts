import { chunks, repeat } from "../../batches.js";
import { atEdge, setKey } from "../../member-sets.js";
import type { JoinReason, LeaveReason, MemberSetChange, Version } from "../../types.js";
import { CLOCK, type ChangeWriter, type Draft } from "./change-writer.js";
import { lockSets, type LoggedChange, possibleEdges, selectOthers } from "./channel-edges.js";
import type { MysqlDatabase } from "./database.js";
import { type Amendments, MemberSetDraft, type StoredSet, tellable } from "./member-set-draft.js";
import type { Row, Session } from "./session.js";
import { deletePairs, insert, keyOf, keyText, list, selectPairs, sql, text } from "./sql.js";
import type { Tables } from "./tables.js";

/** What is asked of one member set. */
export type SetRequest = { name: string; sid: string; uids: readonly string[] } & (
  | { type: "join"; reason: JoinReason }
  | { type: "leave"; reason: LeaveReason; expected?: Version }
);

/** A member set of a destroyed channel. */
export interface DestroyedSet {
  id: number;
  name: string;
  sid: string;
}

/** What the end of a channel has ended. */
export interface Destruction {
  /** How many there were. */
  members: number;
  destroyed: DestroyedSet[];
}

/** How many members are taken out in one transaction where all of them go: it holds the lock of a frontend for some 100 ms. */
const STEP = 5000;
/** How many sets at once. */
const SETS = 500;

/** The changes of member sets as transactions. */
export class MemberSets {
  readonly #database: MysqlDatabase;
  readonly #tables: Tables;
  readonly #writer: ChangeWriter;

  constructor(database: MysqlDatabase, tables: Tables, writer: ChangeWriter) {
    this.#database = database;
    this.#tables = tables;
    this.#writer = writer;
  }

  /** Makes changes, all or none of them, one after the other. Resolves for each whether it changed anything for each uid. */
  async change(requests: readonly SetRequest[]): Promise<boolean[][]> {
    if (requests.length === 0) return [];
    const asked = askedSets(requests);
    return this.#writer.write({
      sids: requests.map(({ sid }) => sid),
      reads: this.#readSets([...asked.values()]),
      draft: async (results, session) => {
        const log: LoggedChange[] = [];
        const drafts = await this.#draft(session, asked, results.flat(), log);
        const result = requests.map((request) => {
          const draft = drafts.get(setKey(request.name, request.sid))!;
          if (request.type === "join") return draft.join(request.uids, request.reason);
          return draft.leave(request.uids, request.reason, request.expected);
        });
        return this.#write(session, [...drafts.values()], log, result);
      },
    });
  }

  /** Takes every member out who is at this frontend now. Resolves how many those were. */
  async evict(sid: string, reason: LeaveReason): Promise<number> {
    // Only the sets that are there now: a new incarnation may begin others while this goes on.
    const { sets, members } = this.#tables;
    const rows = await this.#database.read(sql`SELECT id FROM ${sets} WHERE sid_key = ${keyOf(sid)}`);
    const ids = rows.map(([id]) => Number(id));
    let evicted = 0;
    for (const chunk of chunks(ids, SETS)) {
      const some = list(chunk);
      const reads = [
        sql`SELECT id, CAST(name AS BINARY), counter, members FROM ${sets} WHERE id IN ${some}`,
        // Those of destroyed channels have no set any more.
        sql`SELECT m.set_id, CAST(m.uid AS BINARY) FROM ${members} m JOIN ${sets} s ON s.id = m.set_id
          WHERE m.set_id IN ${some} LIMIT ${STEP}`,
      ];
      evicted += await repeat(() =>
        this.#writer.write({
          sids: [sid],
          reads,
          draft: ([found = [], uids = []], session) => this.#draftEviction(session, sid, found, uids, reason),
        }),
      );
    }
    return evicted;
  }

  /** Ends all member sets of a channel. Resolves how many members there were, and whom {@link tellDestroyed} has to tell of. */
  async destroy(name: string): Promise<Destruction> {
    const { sets, destroyed: table } = this.#tables;
    const nameKey = keyOf(name);
    const found = await this.#database.read(sql`SELECT CAST(sid AS BINARY) FROM ${sets} WHERE name_key = ${nameKey}`);
    if (found.length === 0) return { members: 0, destroyed: [] };
    const sids = found.map(([sid]) => String(sid));
    return this.#writer.write({
      sids,
      reads: [
        sql`SELECT id, CAST(sid AS BINARY), members FROM ${sets}
          WHERE name_key = ${nameKey} AND sid_key IN ${list(sids.map(keyOf))}`,
      ],
      draft: async ([rows = []], session) => {
        const destroyed = rows.map(([id, sid]) => ({ id: Number(id), name, sid: String(sid) }));
        const log = destroyed.map(({ sid }): LoggedChange => ({ change: { type: "clear", name, sid }, ends: true }));
        return {
          result: { members: rows.reduce((total, [, , members]) => total + Number(members), 0), destroyed },
          statements: [
            ...insert(
              `INSERT INTO ${table} (set_id, name, sid, destroyed_at)`,
              destroyed.map(({ id, sid }) => [id, text(name), text(sid)]),
              "UNIX_TIMESTAMP()",
            ),
            ...this.#endSets(destroyed),
          ],
          ...(await this.#findEdges(session, lockSets(sets, destroyed), log, destroyed)),
        };
      },
    });
  }

  /** Tells of those who were in a member set that has ended that they have left, and forgets them. */
  async tellDestroyed(set: DestroyedSet): Promise<void> {
    const reads = [sql`SELECT CAST(uid AS BINARY) FROM ${this.#tables.members} WHERE set_id = ${set.id} LIMIT ${STEP}`];
    await repeat(() =>
      this.#writer.write({ sids: [set.sid], reads, draft: ([rows = []]) => this.#draftFarewell(set, rows) }),
    );
  }

  /** The drafts of member sets, from the rows of those that are not empty. */
  async #draft(
    session: Session,
    asked: ReadonlyMap<string, AskedSet>,
    rows: readonly Row[],
    log: LoggedChange[],
  ): Promise<Map<string, MemberSetDraft>> {
    const keys = new Map([...asked].map(([key, { name, sid }]) => [pairText(keyOf(sid), keyOf(name)), key]));
    const stored = new Map<string, StoredSet>();
    for (const [sidKey, nameKey, id, counter, members] of rows) {
      const key = keys.get(pairText(sidKey as Buffer, nameKey as Buffer))!;
      stored.set(key, { id: Number(id), counter: Number(counter), members: Number(members) });
    }
    const members = await this.#readMembers(
      session,
      [...stored].map(([key, { id }]) => ({ id, uids: asked.get(key)!.uids })),
    );
    return new Map(
      [...asked].map(([key, set]) => {
        const found = stored.get(key);
        return [key, new MemberSetDraft(set, found, members.get(found?.id) ?? new Set(), log)];
      }),
    );
  }

  #readSets(asked: readonly AskedSet[]): string[] {
    const nameKeys = new Map<string, Buffer[]>();
    for (const { name, sid } of asked) {
      const there = nameKeys.get(sid) ?? [];
      nameKeys.set(sid, there);
      there.push(keyOf(name));
    }
    return selectPairs("t.sid_key, t.name_key, t.id, t.counter, t.members", {
      table: this.#tables.sets,
      columns: ["sid_key", "name_key"],
      values: new Map([...nameKeys].map(([sid, there]) => [keyOf(sid), there])),
    });
  }

  /** Which of these uids are members of which of these sets. */
  async #readMembers(
    session: Session,
    asked: readonly { id: number; uids: ReadonlySet<string> }[],
  ): Promise<Map<number | undefined, Set<string>>> {
    const uids = new Map<string, string>();
    const keys = new Map<number, Buffer[]>();
    for (const { id, uids: some } of asked) {
      const there = [...some].map((uid) => {
        const key = keyOf(uid);
        uids.set(keyText(key), uid);
        return key;
      });
      keys.set(id, there);
    }
    const results = await session.run(
      selectPairs("t.set_id, t.uid_key", { table: this.#tables.members, columns: ["set_id", "uid_key"], values: keys }),
    );
    const found = new Map<number | undefined, Set<string>>(asked.map(({ id }) => [id, new Set()]));
    for (const [id, key] of results.flat()) found.get(Number(id))!.add(uids.get(keyText(key as Buffer))!);
    return found;
  }

  #draftEviction(
    session: Session,
    sid: string,
    found: readonly Row[],
    rows: readonly Row[],
    reason: LeaveReason,
  ): Promise<Draft<number>> {
    const uids = new Map<number, Set<string>>(found.map(([id]) => [Number(id), new Set()]));
    for (const [id, uid] of rows) uids.get(Number(id))!.add(String(uid));
    const log: LoggedChange[] = [];
    let left = 0;
    const drafts = found.map(([id, name, counter, count]) => {
      const stored = { id: Number(id), counter: Number(counter), members: Number(count) };
      const there = uids.get(stored.id)!;
      const draft = new MemberSetDraft({ name: String(name), sid }, stored, there, log);
      left += draft.leave([...there], reason).length;
      return draft;
    });
    return this.#write(session, drafts, log, left);
  }

  #draftFarewell({ id, name, sid }: DestroyedSet, rows: readonly Row[]): Draft<number> {
    const { destroyed } = this.#tables;
    const uids = rows.map(([uid]) => String(uid));
    const changes = tellable(uids).map((some): MemberSetChange => {
      return { type: "leave", name, sid, version: undefined, uids: some, reason: "destroyed" };
    });
    return {
      result: uids.length,
      statements:
        uids.length > 0
          ? this.#removeMembers(new Map([[id, uids]]))
          : [sql`DELETE FROM ${destroyed} WHERE set_id = ${id}`],
      changes,
    };
  }

  /** What writes drafts. The rows of the sets that begin are written here already, and those of the sets that end locked. */
  async #write<T>(
    session: Session,
    drafts: readonly MemberSetDraft[],
    log: readonly LoggedChange[],
    result: T,
  ): Promise<Draft<T>> {
    const amendments: Amendments = {
      begun: [],
      begunAnew: [],
      continued: [],
      ended: [],
      passed: [],
      joined: new Map(),
      left: new Map(),
    };
    for (const draft of drafts) draft.amend(amendments);
    const { sets, members } = this.#tables;
    const columns = `INSERT INTO ${sets} (id, name_key, sid_key, name, sid, counter, members)`;
    const rows = (drafted: Amendments["begun"]) =>
      drafted.map(({ id, name, sid, counter, members: count }) => [
        ...[id, keyOf(name), keyOf(sid), text(name), text(sid), counter, count],
      ]);
    const joined = [...amendments.joined].flatMap(([id, uids]) => uids.map((uid) => [id, keyOf(uid), text(uid)]));
    const edges = [
      ...lockSets(sets, amendments.ended),
      ...insert(columns, rows([...amendments.begun, ...amendments.passed])),
    ];
    const statements = [
      ...this.#removeMembers(amendments.left),
      ...this.#removeAllMembers(amendments.ended),
      ...this.#endSets([...amendments.ended, ...amendments.passed]),
      ...insert(columns, rows(amendments.begunAnew)),
      ...insert(
        columns,
        rows(amendments.continued),
        "",
        "ON DUPLICATE KEY UPDATE counter = VALUES(counter), members = VALUES(members)",
      ),
      ...insert(`INSERT INTO ${members} (set_id, uid_key, uid)`, joined),
    ];
    return { result, statements, ...(await this.#findEdges(session, edges, log, drafts)) };
  }

  /**
   * The changes of a log, those with which channels begin or end as such, and when the last lock for that was had. 1 round
   * trip, none where no set begins or ends.
   *
   * @param edges what writes the rows of the sets that begin, and locks those of the sets that end
   * @param sets those that the log is about
   */
  async #findEdges(
    session: Session,
    edges: readonly string[],
    log: readonly LoggedChange[],
    sets: readonly { name: string; sid: string; wasThere?: boolean }[],
  ): Promise<Pick<Draft<unknown>, "changes" | "madeAt">> {
    if (edges.length === 0) return { changes: log.map(({ change }) => change) };
    const held = new Map<string, number>();
    for (const { name, wasThere = true } of sets) held.set(name, (held.get(name) ?? 0) + (wasThere ? 1 : 0));
    const possible = new Set(possibleEdges(log, held));
    const sids = new Map<string, string[]>([...possible].map(({ change: { name } }) => [name, []]));
    for (const { name, sid } of sets) sids.get(name)?.push(sid);
    const answers = await session.run([...edges, ...selectOthers(this.#tables.sets, sids), `SELECT ${CLOCK}`]);
    const names = [...sids.keys()];
    const elsewhere = new Set(answers.slice(edges.length, -1).flatMap((rows) => rows.map(([n]) => names[Number(n)])));
    return {
      changes: log.map((logged) =>
        possible.has(logged) && !elsewhere.has(logged.change.name) ? atEdge(logged.change) : logged.change,
      ),
      madeAt: Number(answers.at(-1)![0]![0]),
    };
  }

  #removeMembers(uids: ReadonlyMap<number, readonly string[]>): string[] {
    const keys = new Map([...uids].map(([id, some]) => [id, some.map(keyOf)]));
    return deletePairs({ table: this.#tables.members, columns: ["set_id", "uid_key"], values: keys });
  }

  #removeAllMembers(ended: readonly { id: number }[]): string[] {
    if (ended.length === 0) return [];
    return [sql`DELETE FROM ${this.#tables.members} WHERE set_id IN ${list(ended.map(({ id }) => id))}`];
  }

  #endSets(ended: readonly { id: number }[]): string[] {
    if (ended.length === 0) return [];
    return [sql`DELETE FROM ${this.#tables.sets} WHERE id IN ${list(ended.map(({ id }) => id))}`];
  }
}

/** A member set, and those of whom is to be known whether they are in it. */
interface AskedSet {
  name: string;
  sid: string;
  uids: Set<string>;
}

/** The member sets that requests are about, by their keys. */
function askedSets(requests: readonly SetRequest[]): Map<string, AskedSet> {
  const asked = new Map<string, AskedSet>();
  for (const { name, sid, uids } of requests) {
    const key = setKey(name, sid);
    const set = asked.get(key) ?? { name, sid, uids: new Set<string>() };
    asked.set(key, set);
    for (const uid of uids) set.uids.add(uid);
  }
  return asked;
}

function pairText(one: Buffer, other: Buffer): string {
  return keyText(one) + keyText(other);
}
