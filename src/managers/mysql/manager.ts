import { checkInteger, invalid } from "../../arguments.js";
import { chunksBySize } from "../../batches.js";
import { Bound } from "../../bound.js";
import { ALL_CAPABILITIES } from "../../capabilities.js";
import { reportError } from "../../diagnostics.js";
import { isGlobalChannelError } from "../../errors.js";
import { groupBySet } from "../../member-sets.js";
import type {
  ChangeListener,
  ChannelManager,
  FrontendId,
  JoinReason,
  LeaveReason,
  Membership,
  MemberSetInfo,
  Unsubscribe,
  Version,
} from "../../types.js";
import { BatchQueue } from "./batch-queue.js";
import { ChangeFeed } from "./change-feed.js";
import { ChangeWriter } from "./change-writer.js";
import { closed, MysqlDatabase } from "./database.js";
import { Housekeeping } from "./housekeeping.js";
import { versionOf } from "./member-set-draft.js";
import { type Destruction, MemberSets, type SetRequest } from "./member-sets.js";
import { type MysqlChannelManagerOptions, type MysqlSource, resolveMysqlOptions } from "./options.js";
import { prepareTables } from "./schema.js";
import { Sessions } from "./sessions.js";
import { keyOf, list, sql } from "./sql.js";
import { type Tables, tables } from "./tables.js";

/** How much is changed in one transaction, in characters of names: 10,000 memberships, but fewer where the names are long. */
const BATCH = 2_000_000;
/** What each membership, and each member set, counts besides its names. */
const OVERHEAD = 64;
/** How much may wait, in characters, too. */
const MAX_WAITING = 100 * BATCH;
/** How many rows are deleted at once. */
const STEP = 10_000;
/** How many members may come along where versions are asked for. */
const MAX_ALONG = 10_000;

/** What is done in the order of the calls. */
type Job = { type: "change"; requests: readonly SetRequest[] } | { type: "destroy"; name: string };

const NOTHING: Job = { type: "change", requests: [] };

/**
 * Keeps members in MySQL 8.0 or MariaDB 10.6, or newer, in InnoDB tables. See {@link ChannelManager}; it can do everything
 * that there is.
 *
 * A change is a transaction, of 3 round trips, 4 where a member set ends (10 to 13 on a pool without `multipleStatements`), and
 * one write to the disk, which all calls that wait at that moment share; a read is one statement, or two. Those who watch learn of changes within `pollMs`. All
 * processes must talk to one primary.
 *
 * Calls that fail for the moment (deadlock, broken connection, a server that restarts) are made again until `timeoutMs` is over;
 * one whose connection breaks while it is committed is looked for first, so that nothing is done twice. Then they reject with
 * `GC_STORE_UNAVAILABLE` (nothing was done) or `GC_TIMEOUT` (that is not known); what the database refuses, with
 * `GC_STORE_ERROR`; too many calls that wait, with `GC_OVERLOADED`.
 */
export class MysqlChannelManager implements ChannelManager {
  readonly capabilities = ALL_CAPABILITIES;
  readonly #options: ReturnType<typeof resolveMysqlOptions>;
  readonly #database: MysqlDatabase;
  readonly #tables: Tables;
  readonly #memberSets: MemberSets;
  readonly #jobs: BatchQueue<Job, boolean[][] | Destruction>;
  readonly #sessions: Sessions;
  readonly #feed: ChangeFeed;
  readonly #housekeeping: Housekeeping;
  readonly #longCalls = new Set<Promise<void>>();

  /**
   * @param source a URL, options of `mysql2`, or a pool of `mysql2` or `mysql2/promise`, which is never closed here
   * @throws `GC_INVALID_ARGUMENT`, `GC_INVALID_OPTION`
   */
  constructor(source: MysqlSource, options: MysqlChannelManagerOptions = {}) {
    this.#options = resolveMysqlOptions(options);
    const { prefix, timeoutMs, pollMs } = this.#options;
    const report = (error: unknown): void => this.#report(error);
    const database = (this.#database = new MysqlDatabase(source, timeoutMs));
    const names = (this.#tables = tables(prefix));
    this.#feed = new ChangeFeed({ database, tables: names, pollMs, report });
    this.#memberSets = new MemberSets(database, names, new ChangeWriter(database, names, () => this.#feed.poke()));
    this.#jobs = new BatchQueue({
      sizeOf,
      isAlone: ({ type }) => type === "destroy",
      maxBatch: BATCH,
      bound: new Bound({
        source: this,
        queue: "changes",
        limit: MAX_WAITING,
        what: "changes that wait for the database, in characters",
      }),
      timeoutMs,
      run: (jobs) => this.#run(jobs),
    });
    this.#sessions = new Sessions(this, database, names);
    this.#housekeeping = new Housekeeping({ database, tables: names, memberSets: this.#memberSets, report });
  }

  /**
   * Connects, and creates the tables that are missing.
   * @throws `GC_STORE_ERROR` an old server, tables that are missing or of another layout; `GC_STORE_UNAVAILABLE`
   */
  async start(): Promise<void> {
    await this.#database.open();
    try {
      await prepareTables(this.#database, this.#options.prefix, this.#options.createTables);
    } catch (error) {
      await this.#database.close(true);
      throw error;
    }
    this.#housekeeping.start();
  }

  /** Waits for calls under way, which with `force` fail with `GC_CLOSED`, and closes the connections that it has opened. */
  async stop(force = false): Promise<void> {
    const queues = [this.#jobs, this.#sessions.notes];
    if (force) {
      for (const queue of queues) queue.refuse(closed());
      await this.#database.close(true);
    }
    await Promise.allSettled(this.#longCalls);
    await Promise.all([...queues.map((queue) => queue.idle()), this.#housekeeping.stop(), this.#feed.stop()]);
    if (!force) await this.#database.close(false);
  }

  clean(): Promise<void> {
    return this.#long(async () => {
      for (const table of Object.values(this.#tables) as string[]) {
        const deleteSome = sql`DELETE FROM ${table} LIMIT ${STEP}`;
        while ((await this.#database.run((session) => session.affect(deleteSome))) === STEP);
      }
    });
  }

  async add(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#request([{ type: "join", name, sid, uids: [uid], reason: "join" }])) === 1;
  }

  async leave(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#request([{ type: "leave", name, sid, uids: [uid], reason: "leave" }])) === 1;
  }

  /** Those that go into one transaction, 10,000 unless their names are long, are all made or none of them. */
  addMany(memberships: readonly Membership[], reason: JoinReason = "join"): Promise<number> {
    return this.#requestMany(memberships, (set) => ({ type: "join", ...set, reason }));
  }

  /** Those that go into one transaction, 10,000 unless their names are long, are all made or none of them. */
  leaveMany(memberships: readonly Membership[], reason: LeaveReason = "leave"): Promise<number> {
    return this.#requestMany(memberships, (set) => ({ type: "leave", ...set, reason }));
  }

  leaveIfUnchanged(
    name: string,
    sid: string,
    uids: readonly string[],
    version: Version,
    reason: LeaveReason = "disconnect",
  ): Promise<number> {
    return this.#request([{ type: "leave", name, sid, uids, reason, expected: version }]);
  }

  destroyChannel(name: string): Promise<number> {
    return this.#long(async () => {
      const { members, destroyed } = (await this.#jobs.push({ type: "destroy", name })) as Destruction;
      for (const set of destroyed) {
        // The channel has ended; if nobody can be told now, the housekeeping does it.
        await this.#memberSets.tellDestroyed(set).catch((error: unknown) => this.#report(error));
      }
      return members;
    });
  }

  async getMembersBySid(name: string, sid: string): Promise<string[]> {
    const { uids } = await this.readMemberSet(name, sid);
    return uids;
  }

  async findMember(name: string, uid: string): Promise<string[]> {
    const { sets, members } = this.#tables;
    const rows = await this.#database.read(
      sql`SELECT CAST(s.sid AS BINARY) FROM ${sets} s JOIN ${members} m ON m.set_id = s.id AND m.uid_key = ${keyOf(uid)}
        WHERE s.name_key = ${keyOf(name)}`,
    );
    return rows.map(([sid]) => String(sid));
  }

  async scanMembers(
    name: string,
    sid: string,
    cursor: string,
    limit: number,
  ): Promise<{ uids: string[]; cursor: string }> {
    checkInteger("limit", limit, { min: 1, max: Number.MAX_SAFE_INTEGER });
    if (!/^([0-9a-f]{64})?$/.test(cursor)) throw invalid("cursor", cursor, "'' or the cursor of the page before");
    const { sets, members } = this.#tables;
    const rows = await this.#database.read(
      sql`SELECT CAST(m.uid AS BINARY), m.uid_key FROM ${sets} s JOIN ${members} m ON m.set_id = s.id
        WHERE s.name_key = ${keyOf(name)} AND s.sid_key = ${keyOf(sid)} AND m.uid_key > ${Buffer.from(cursor, "hex")}
        ORDER BY m.uid_key LIMIT ${limit}`,
    );
    const last = rows.length === limit ? (rows.at(-1)![1] as Buffer).toString("hex") : "";
    return { uids: rows.map(([uid]) => String(uid)), cursor: last };
  }

  async getMemberSets(name: string, copies?: ReadonlyMap<string, Version | undefined>): Promise<MemberSetInfo[]> {
    const rows = await this.#database.read(
      sql`SELECT id, CAST(sid AS BINARY), counter, members FROM ${this.#tables.sets} WHERE name_key = ${keyOf(name)}`,
    );
    const found = rows.map(([id, sid, counter, members]) => {
      const set = { id: Number(id), counter: Number(counter) };
      return { ...set, info: { sid: String(sid), version: versionOf(set), count: Number(members) } };
    });
    const wanted: number[] = [];
    let room = MAX_ALONG;
    for (const { id, info } of found) {
      if (!copies?.has(info.sid) || copies.get(info.sid) === info.version || info.count > room) continue;
      room -= info.count;
      wanted.push(id);
    }
    const along = wanted.length > 0 ? await this.#readSets(sql`s.id IN ${list(wanted)}`) : new Map<number, ReadSet>();
    return found.map(({ id, info }) => ({ ...info, ...along.get(id) }));
  }

  async readMemberSet(name: string, sid: string): Promise<{ version: Version | undefined; uids: string[] }> {
    const sets = await this.#readSets(sql`s.name_key = ${keyOf(name)} AND s.sid_key = ${keyOf(sid)}`);
    const [set] = sets.values();
    return { version: set?.version, uids: set?.uids ?? [] };
  }

  async getChannelsBySid(sid: string): Promise<string[]> {
    const rows = await this.#database.read(
      sql`SELECT CAST(name AS BINARY) FROM ${this.#tables.sets} WHERE sid_key = ${keyOf(sid)}`,
    );
    return rows.map(([name]) => String(name));
  }

  watch(sid: string, listener: ChangeListener): Promise<Unsubscribe> {
    return this.#feed.watch(sid, listener);
  }

  watchAll(listener: ChangeListener): Promise<Unsubscribe> {
    return this.#feed.watchAll(listener);
  }

  connect(uid: string, sid: string, incarnation: string): Promise<void> {
    return this.#sessions.notes.push([{ type: "connect", uid, frontend: { sid, incarnation } }]);
  }

  disconnect(uid: string, sid: string, incarnation: string): Promise<void> {
    return this.#sessions.notes.push([{ type: "disconnect", uid, frontend: { sid, incarnation } }]);
  }

  getSessions(uids: readonly string[]): Promise<FrontendId[][]> {
    return this.#sessions.read(uids);
  }

  countUsers(sids: readonly string[]): Promise<number[]> {
    return this.#sessions.count(sids);
  }

  async getServers(): Promise<string[]> {
    const { frontends, sets } = this.#tables;
    const rows = await this.#database.read(
      sql`SELECT CAST(f.sid AS BINARY) FROM ${frontends} f
        WHERE EXISTS (SELECT 1 FROM ${sets} s WHERE s.sid_key = f.sid_key)`,
    );
    return rows.map(([sid]) => String(sid));
  }

  async getMembershipsByUid(uid: string, sid?: string): Promise<Membership[]> {
    const { sets, members } = this.#tables;
    const where = sid === undefined ? "" : sql`AND s.sid_key = ${keyOf(sid)}`;
    const rows = await this.#database.read(
      sql`SELECT CAST(s.name AS BINARY), CAST(s.sid AS BINARY) FROM ${members} m JOIN ${sets} s ON s.id = m.set_id
        WHERE m.uid_key = ${keyOf(uid)} ${where}`,
    );
    return rows.map(([name, place]) => ({ name: String(name), uid, sid: String(place) }));
  }

  /** It cannot see the registry. Sets that are begun meanwhile are left alone. */
  evict({ sid }: FrontendId, reason: LeaveReason): Promise<number> {
    return this.#long(async () => {
      await Promise.all([this.#jobs.settled(NOTHING), this.#sessions.notes.settled([])]);
      await this.#sessions.forget(sid);
      return this.#memberSets.evict(sid, reason);
    });
  }

  /** Tells of an error that no caller waits for, unless it is that of a stop by force. */
  #report(error: unknown): void {
    if (!isGlobalChannelError(error) || error.code !== "GC_CLOSED") reportError(this, error);
  }

  #requestMany(
    memberships: readonly Membership[],
    request: (set: { name: string; sid: string; uids: string[] }) => SetRequest,
  ): Promise<number> {
    const parts = chunksBySize(memberships, BATCH, sizeOfMembership).map((batch) =>
      this.#request(groupBySet(batch).map(request)),
    );
    return Promise.all(parts).then((counts) => counts.reduce((total, count) => total + count, 0));
  }

  /** Resolves how many uids it changed something for. */
  async #request(requests: readonly SetRequest[]): Promise<number> {
    const changed = (await this.#jobs.push({ type: "change", requests })) as boolean[][];
    return changed.flat().filter(Boolean).length;
  }

  /** Does the jobs of a batch: the end of a channel, which is alone, or changes. */
  async #run(jobs: readonly Job[]): Promise<(boolean[][] | Destruction)[]> {
    const [first] = jobs;
    if (first?.type === "destroy") return [await this.#memberSets.destroy(first.name)];
    const changes = jobs.map((job) => (job.type === "change" ? job.requests : []));
    const changed = await this.#memberSets.change(changes.flat());
    let next = 0;
    return changes.map((requests) => changed.slice(next, (next += requests.length)));
  }

  /** A call of several steps, between which {@link stop} must not come. */
  #long<T>(call: () => Promise<T>): Promise<T> {
    const result = call();
    const ended = result.then(
      () => {},
      () => {},
    );
    this.#longCalls.add(ended);
    void ended.then(() => this.#longCalls.delete(ended));
    return result;
  }

  /** The members and versions of sets, by their id, as they are now: one statement sees one state of the tables. */
  async #readSets(where: string): Promise<Map<number, ReadSet>> {
    const { sets, members } = this.#tables;
    const rows = await this.#database.read(
      sql`SELECT CAST(m.uid AS BINARY), s.id, s.counter FROM ${sets} s JOIN ${members} m ON m.set_id = s.id WHERE ${where}`,
    );
    const read = new Map<number, ReadSet>();
    for (const [uid, id, counter] of rows) {
      let set = read.get(Number(id));
      if (!set) {
        set = { version: versionOf({ id: Number(id), counter: Number(counter) }), count: 0, uids: [] };
        read.set(Number(id), set);
      }
      set.count++;
      set.uids.push(String(uid));
    }
    return read;
  }
}

/** A member set that was read. */
interface ReadSet {
  version: Version;
  count: number;
  uids: string[];
}

function sizeOf(job: Job): number {
  if (job.type === "destroy") return job.name.length;
  let size = 0;
  for (const { name, sid, uids } of job.requests) {
    size += name.length + sid.length + OVERHEAD;
    for (const uid of uids) size += uid.length + OVERHEAD;
  }
  return size;
}

/** How much a membership may count: as much as if it is alone in its set. */
function sizeOfMembership({ name, uid, sid }: Membership): number {
  return name.length + uid.length + sid.length + 2 * OVERHEAD;
}
