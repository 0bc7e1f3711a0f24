import { invalid } from "../../arguments.js";
import { chunks, repeat } from "../../batches.js";
import { ALL_BUT_USER_INDEX } from "../../capabilities.js";
import { BATCH, COSTLY_BATCH, type RedisConnection } from "../../redis/connection.js";
import { escape, type Keys, unescape } from "../../redis/keys.js";
import { byPartition } from "../../redis/layout.js";
import { readHolder } from "../../redis/leases.js";
import { replyError } from "../../redis/store-error.js";
import type {
  ChangeListener,
  ChannelManager,
  FrontendId,
  JoinReason,
  LeaveReason,
  Membership,
  MemberSetInfo,
  RestoredMembership,
  Unsubscribe,
  Version,
} from "../../types.js";
import { newEpoch } from "../../version.js";
import { PendingChanges, type SetChange, type SetChanges } from "./pending-changes.js";
import { PendingSessions } from "./pending-sessions.js";
import { listenTo } from "./published-changes.js";
import { scanSet } from "./scan-set.js";
import * as scripts from "./scripts.js";
import { sessions as readSessions } from "./session-scripts.js";
import { createSessions, type Sessions } from "./sessions.js";

/**
 * How long it is kept who was told to leave, and that a channel was destroyed: for that long a frontend that has not heard of it
 * may be away, and return. As long it is kept of whose leave from a large channel that was destroyed nobody has been told yet.
 */
const FAREWELL_SECONDS = 60;

/** How many members may come along where versions are asked for: Redis reads them in one step, of a few milliseconds. */
const MAX_ALONG = 5000;

/** Keeps members in Redis 6.2 or newer, a Redis Cluster 7.0 or newer, or Valkey. See {@link ChannelManager}; the layout is in `redis/layout.ts`. */
export class RedisChannelManager implements ChannelManager {
  readonly capabilities = ALL_BUT_USER_INDEX;
  readonly #connection: RedisConnection;
  readonly #changes = new Map<Keys, PendingChanges>();
  readonly #sessions: Sessions;
  readonly #sessionChanges: PendingSessions;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
    const sessions = (this.#sessions = createSessions(connection));
    this.#sessionChanges = new PendingSessions({
      queueOf: (sid) => connection.queueOf(connection.layout.of(sid)),
      send: (frontend, changes) => sessions.change(frontend, changes),
    });
  }

  start(): Promise<void> {
    return this.#connection.open();
  }

  stop(): Promise<void> {
    return this.#connection.close();
  }

  /** Removes every key with this prefix, in steps; what others write meanwhile may stay. */
  async clean(): Promise<void> {
    const { layout, servers } = this.#connection;
    for (const server of servers) {
      let cursor = "0";
      do {
        const from = cursor;
        const [next, keys] = await this.#connection.ask(server, (client) =>
          client.scan(from, "MATCH", layout.all, "COUNT", COSTLY_BATCH),
        );
        const own = keys.filter((key) => layout.isOwn(key));
        await this.#connection.command((client) => Promise.all(own.map((key) => client.unlink(key))));
        cursor = next;
      } while (cursor !== "0");
    }
  }

  /** The adds to one set that go to Redis together are one change of it. */
  add(name: string, uid: string, sid: string): Promise<boolean> {
    return this.#changesOf(name).one("join", name, sid, uid);
  }

  /** The leaves from one set that go to Redis together are one change of it. */
  leave(name: string, uid: string, sid: string): Promise<boolean> {
    return this.#changesOf(name).one("leave", name, sid, uid);
  }

  addMany(memberships: readonly RestoredMembership[], reason: JoinReason = "join"): Promise<number> {
    return this.#changeMany("join", memberships, reason);
  }

  leaveMany(memberships: readonly Membership[], reason: LeaveReason = "leave"): Promise<number> {
    return this.#changeMany("leave", memberships, reason);
  }

  leaveIfUnchanged(
    name: string,
    sid: string,
    uids: readonly string[],
    version: Version,
    reason: LeaveReason = "disconnect",
  ): Promise<number> {
    const memberships = uids.map((uid) => ({ name, uid, sid }));
    return this.#changesOf(name).many("leave", memberships, reason, version);
  }

  async #changeMany(
    type: SetChange["type"],
    memberships: readonly RestoredMembership[],
    reason: SetChange["reason"],
  ): Promise<number> {
    const groups = byPartition(this.#connection.layout, memberships, ({ name }) => name);
    const counts = await Promise.all([...groups].map(([keys, some]) => this.#changesIn(keys).many(type, some, reason)));
    return sum(counts);
  }

  #changesOf(name: string): PendingChanges {
    return this.#changesIn(this.#connection.layout.of(name));
  }

  #changesIn(keys: Keys): PendingChanges {
    let changes = this.#changes.get(keys);
    if (!changes) {
      changes = new PendingChanges({
        queue: this.#connection.queueOf(keys),
        send: (sets) => this.#send(keys, sets),
        maxUids: COSTLY_BATCH,
      });
      this.#changes.set(keys, changes);
    }
    return changes;
  }

  async destroyChannel(name: string): Promise<number> {
    const keys = this.#connection.layout.of(name);
    const [members, ...untold] = await this.#connection.write<[number, ...string[]]>(
      keys,
      scripts.destroy,
      [keys.sets(name), keys.sids],
      [
        name,
        JSON.stringify(name),
        keys.membersPrefix(name),
        keys.untoldPrefix(name),
        keys.channelsAtPrefix,
        keys.changesPrefix,
        FAREWELL_SECONDS,
        BATCH,
      ],
    );
    await Promise.all(untold.map(unescape).map((sid) => repeat(() => this.#tellSome(name, sid))));
    return members;
  }

  /** Tells of some former members of a channel that was destroyed. */
  #tellSome(name: string, sid: string): Promise<number> {
    const keys = this.#connection.layout.of(name);
    return this.#connection.write<number>(
      keys,
      scripts.drain,
      [keys.untold(name, sid)],
      [keys.changesPrefix, escape(sid), JSON.stringify(name), COSTLY_BATCH],
    );
  }

  async getMembersBySid(name: string, sid: string): Promise<string[]> {
    const { uids } = await this.readMemberSet(name, sid);
    return uids;
  }

  async findMember(name: string, uid: string): Promise<string[]> {
    const keys = this.#connection.layout.of(name);
    const sids = await this.#connection.read<string[]>(
      keys,
      scripts.find,
      [keys.sets(name)],
      [uid, keys.membersPrefix(name)],
    );
    return sids.map(unescape);
  }

  async scanMembers(
    name: string,
    sid: string,
    cursor: string,
    limit: number,
  ): Promise<{ uids: string[]; cursor: string }> {
    if (!/^\d{0,19}$/.test(cursor)) throw invalid("cursor", cursor, "'' or the cursor of the page before");
    const key = this.#connection.layout.of(name).members(name, sid);
    const uids: string[] = [];
    let next = cursor || "0";
    do {
      const count = Math.min(limit - uids.length, BATCH);
      const from = next;
      const [cursorAfter, some] = await this.#connection.command((client) => client.sscan(key, from, "COUNT", count));
      uids.push(...some);
      next = cursorAfter;
    } while (next !== "0" && uids.length < limit);
    return { uids, cursor: next === "0" ? "" : next };
  }

  async getMemberSets(name: string, copies?: ReadonlyMap<string, Version | undefined>): Promise<MemberSetInfo[]> {
    const keys = this.#connection.layout.of(name);
    if (!copies) {
      const sets = await this.#connection.command((client) => client.hgetall(keys.sets(name)));
      return Object.entries(sets).map(([sid, entry]) => ({ sid: unescape(sid), ...parseEntry(entry) }));
    }
    const wanted = [...copies].flatMap(([sid, version]) => [escape(sid), version ?? ""]);
    const sets = await this.#connection.read<(string | string[])[]>(
      keys,
      scripts.readChanged,
      [keys.sets(name)],
      [keys.membersPrefix(name), MAX_ALONG, ...wanted],
    );
    return pairs(sets).map(([sid, found]) => {
      const [entry, ...uids] = typeof found === "string" ? [found] : found;
      return { sid: unescape(sid as string), ...parseEntry(entry!), ...(uids.length > 0 && { uids }) };
    });
  }

  async readMemberSet(name: string, sid: string): Promise<{ version: Version | undefined; uids: string[] }> {
    const keys = this.#connection.layout.of(name);
    const [entry, uids] = await this.#connection.read<[string | null, string[] | null]>(
      keys,
      scripts.read,
      [keys.sets(name), keys.members(name, sid)],
      [escape(sid), BATCH],
    );
    // The version was read before the first page: a change made while pages are read has a later one.
    const version = entry === null ? undefined : parseEntry(entry).version;
    return { version, uids: uids ?? (await scanSet(this.#connection, keys.members(name, sid))) };
  }

  async getChannelsBySid(sid: string): Promise<string[]> {
    const names = await Promise.all(
      this.#connection.layout.partitions.map((keys) => scanSet(this.#connection, keys.channelsAt(sid))),
    );
    return names.flat();
  }

  watch(sid: string, listener: ChangeListener): Promise<Unsubscribe> {
    const { subscriptions, layout } = this.#connection;
    const channels = layout.partitions.map((keys) => keys.changes(sid));
    const told = listenTo(listener, (name) => layout.of(name).changes(sid), this);
    return subscriptions.subscribe(channels, { ...told, message: (changes) => told.message(changes, escape(sid)) });
  }

  watchAll(listener: ChangeListener): Promise<Unsubscribe> {
    const { subscriptions, layout } = this.#connection;
    const told = listenTo(listener, (name) => layout.of(name).noChanges, this);
    return subscriptions.subscribeToChanges(layout.partitions, told);
  }

  connect(uid: string, sid: string, incarnation: string): Promise<void> {
    return this.#sessionChanges.change({ sid, incarnation }, { type: "connect", uid });
  }

  disconnect(uid: string, sid: string, incarnation: string): Promise<void> {
    return this.#sessionChanges.change({ sid, incarnation }, { type: "disconnect", uid });
  }

  async getSessions(uids: readonly string[]): Promise<FrontendId[][]> {
    const { layout } = this.#connection;
    const found = new Map<string, FrontendId[]>();
    const read = async (keys: Keys, some: readonly string[]): Promise<void> => {
      const users = some.map((uid) => keys.user(uid));
      const replies = await this.#connection.read<string[][]>(keys, readSessions, users, []);
      for (const [index, places] of replies.entries()) found.set(some[index]!, parsePlaces(places));
    };
    const groups = byPartition(layout, uids, (uid) => uid);
    await Promise.all([...groups].flatMap(([keys, all]) => chunks(all, BATCH).map((some) => read(keys, some))));
    return uids.map((uid) => found.get(uid)!);
  }

  countUsers(sids: readonly string[]): Promise<number[]> {
    const { layout } = this.#connection;
    return Promise.all(
      sids.map((sid) => this.#connection.command((client) => client.scard(layout.of(sid).usersAt(sid)))),
    );
  }

  async getServers(): Promise<string[]> {
    const sids = await Promise.all(
      this.#connection.layout.partitions.map((keys) =>
        this.#connection.command((client) => client.smembers(keys.sids)),
      ),
    );
    return [...new Set(sids.flat())].map(unescape);
  }

  async evict(frontend: FrontendId, reason: LeaveReason): Promise<number> {
    // Before the members: as long as some are left, whoever looks for what a dead reaper has left undone finds this sid.
    await this.#sessions.forget(frontend);
    let evicted = 0;
    let partitions = [...this.#connection.layout.partitions];
    while (partitions.length > 0 && !(await this.#isHeld(frontend))) {
      const left = await Promise.all(
        partitions.map(async (keys) => {
          const counts = await this.#evictSome(keys, frontend, reason);
          evicted += sum(counts.filter((count) => count > 0));
          return counts.length > 0 && !counts.includes(-1);
        }),
      );
      partitions = partitions.filter((_keys, index) => left[index]);
    }
    return evicted;
  }

  /** In a cluster no script that changes members sees the leases: it is looked before each round. */
  async #isHeld({ sid, incarnation }: FrontendId): Promise<boolean> {
    return this.#connection.isClustered && (await readHolder(this.#connection, sid, incarnation)) !== undefined;
  }

  /** Resolves how many members of some channels it took out, or -1 where the frontend is alive; nothing if there are none. */
  async #evictSome(keys: Keys, { sid, incarnation }: FrontendId, reason: LeaveReason): Promise<number[]> {
    const names = await this.#connection.command((client) => client.srandmember(keys.channelsAt(sid), BATCH));
    return Promise.all(
      names.map((name) =>
        this.#connection.write<number>(
          keys,
          scripts.evict,
          [keys.sets(name), keys.members(name, sid), keys.channelsAt(sid), keys.sids, keys.servers],
          [
            escape(sid),
            name,
            newEpoch(),
            keys.changesPrefix,
            JSON.stringify(name),
            reason,
            COSTLY_BATCH,
            encodeURIComponent(incarnation),
          ],
        ),
      ),
    );
  }

  async #send(keys: Keys, sets: readonly SetChanges[]): Promise<(string | Error)[]> {
    const setKeys = [keys.sids];
    const args: (string | number)[] = [keys.changesPrefix, FAREWELL_SECONDS];
    for (const { name, sid, changes } of sets) {
      setKeys.push(keys.sets(name), keys.members(name, sid), keys.channelsAt(sid));
      const set: unknown[] = [escape(sid), name];
      for (const { change } of changes) {
        const { type, reason, uids, expected = false, leftMsAgo = false } = change;
        set.push([type, reason, uids, newEpoch(), expected, leftMsAgo]);
      }
      args.push(JSON.stringify(set));
    }
    const results = await this.#connection.write<string[]>(keys, scripts.change, setKeys, args);
    return results.map((result) => (result.startsWith("!") ? replyError(result.slice(1)) : result));
  }
}

function parseEntry(entry: string): { version: Version; count: number } {
  const dot = entry.lastIndexOf(".");
  return { version: entry.slice(0, dot), count: Number(entry.slice(dot + 1)) };
}

/** Takes a flat list of keys and values apart. */
function pairs<T>(flat: readonly T[]): [T, T][] {
  const result: [T, T][] = [];
  for (let index = 0; index < flat.length; index += 2) result.push([flat[index]!, flat[index + 1]!]);
  return result;
}

function parsePlaces(places: readonly string[]): FrontendId[] {
  return pairs(places).map(([sid, incarnation]) => ({
    sid: unescape(sid),
    incarnation: decodeURIComponent(incarnation),
  }));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
