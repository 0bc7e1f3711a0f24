import { invalid } from "../../arguments.js";
import { chunks, repeat } from "../../batches.js";
import { ALL_BUT_USER_INDEX } from "../../capabilities.js";
import { reportError } from "../../diagnostics.js";
import { atEdge } from "../../member-sets.js";
import { BATCH, COSTLY_BATCH, type RedisConnection, replyError } from "../../redis/connection.js";
import { escape, unescape } from "../../redis/keys.js";
import type { SubscriptionListener } from "../../redis/subscription.js";
import type {
  ChangeListener,
  ChannelManager,
  FrontendId,
  JoinReason,
  LeaveReason,
  Membership,
  MemberSetChange,
  MemberSetInfo,
  Unsubscribe,
  Version,
} from "../../types.js";
import { newEpoch } from "../../version.js";
import * as scripts from "./scripts.js";
import { PendingChanges, type SetChanges } from "./pending-changes.js";
import { PendingSessions, type SessionChange } from "./pending-sessions.js";

/**
 * How long it is kept who was told to leave, and that a channel was destroyed: for that long a frontend that has not heard of it
 * may be away, and return. As long it is kept of whose leave from a large channel that was destroyed nobody has been told yet.
 */
const FAREWELL_SECONDS = 60;

/** How many members may come along where versions are asked for: Redis reads them in one step, of a few milliseconds. */
const MAX_ALONG = 5000;

/** Keeps members in Redis 6.2 or newer, or Valkey. See {@link ChannelManager}; the layout is in `redis/keys.ts`. */
export class RedisChannelManager implements ChannelManager {
  readonly capabilities = ALL_BUT_USER_INDEX;
  readonly #connection: RedisConnection;
  readonly #changes: PendingChanges;
  readonly #sessions: PendingSessions;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
    this.#changes = new PendingChanges({
      queue: connection,
      send: (sets) => this.#send(sets),
      maxUids: COSTLY_BATCH,
    });
    this.#sessions = new PendingSessions({
      queue: connection,
      send: (frontend, changes) => this.#sendSessions(frontend, changes),
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
    let cursor = "0";
    do {
      const [next, keys] = await this.#connection.command((client) =>
        client.scan(cursor, "MATCH", this.#connection.keys.all, "COUNT", COSTLY_BATCH),
      );
      const own = keys.filter((key) => this.#connection.keys.isOwn(key));
      if (own.length > 0) await this.#connection.command((client) => client.unlink(...own));
      cursor = next;
    } while (cursor !== "0");
  }

  /** The adds to one set that go to Redis together are one change of it. */
  add(name: string, uid: string, sid: string): Promise<boolean> {
    return this.#changes.one("join", name, sid, uid);
  }

  /** The leaves from one set that go to Redis together are one change of it. */
  leave(name: string, uid: string, sid: string): Promise<boolean> {
    return this.#changes.one("leave", name, sid, uid);
  }

  addMany(memberships: readonly Membership[], reason: JoinReason = "join"): Promise<number> {
    return this.#changes.many("join", memberships, reason);
  }

  leaveMany(memberships: readonly Membership[], reason: LeaveReason = "leave"): Promise<number> {
    return this.#changes.many("leave", memberships, reason);
  }

  leaveIfUnchanged(name: string, sid: string, uids: readonly string[], version: Version): Promise<number> {
    const memberships = uids.map((uid) => ({ name, uid, sid }));
    return this.#changes.many("leave", memberships, "disconnect", version);
  }

  async destroyChannel(name: string): Promise<number> {
    const { keys } = this.#connection;
    const [members, ...untold] = await this.#connection.run<[number, ...string[]]>(
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
    const { keys } = this.#connection;
    return this.#connection.run<number>(
      scripts.drain,
      [keys.untold(name, sid)],
      [keys.changes(sid), JSON.stringify(name), COSTLY_BATCH],
    );
  }

  async getMembersBySid(name: string, sid: string): Promise<string[]> {
    const { uids } = await this.readMemberSet(name, sid);
    return uids;
  }

  async findMember(name: string, uid: string): Promise<string[]> {
    const { keys } = this.#connection;
    const sids = await this.#connection.run<string[]>(scripts.find, [keys.sets(name)], [uid, keys.membersPrefix(name)]);
    return sids.map(unescape);
  }

  async scanMembers(
    name: string,
    sid: string,
    cursor: string,
    limit: number,
  ): Promise<{ uids: string[]; cursor: string }> {
    if (!/^\d{0,19}$/.test(cursor)) throw invalid("cursor", cursor, "'' or the cursor of the page before");
    const key = this.#connection.keys.members(name, sid);
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
    const { keys } = this.#connection;
    if (!copies) {
      const sets = await this.#connection.command((client) => client.hgetall(keys.sets(name)));
      return Object.entries(sets).map(([sid, entry]) => ({ sid: unescape(sid), ...parseEntry(entry) }));
    }
    const wanted = [...copies].flatMap(([sid, version]) => [escape(sid), version ?? ""]);
    const sets = await this.#connection.run<(string | string[])[]>(
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
    const { keys } = this.#connection;
    const [entry, uids] = await this.#connection.run<[string | null, string[] | null]>(
      scripts.read,
      [keys.sets(name), keys.members(name, sid)],
      [escape(sid), BATCH],
    );
    // The version was read before the first page: a change made while pages are read has a later one.
    const version = entry === null ? undefined : parseEntry(entry).version;
    return { version, uids: uids ?? (await this.#scanSet(keys.members(name, sid))) };
  }

  getChannelsBySid(sid: string): Promise<string[]> {
    return this.#scanSet(this.#connection.keys.channelsAt(sid));
  }

  watch(sid: string, listener: ChangeListener): Promise<Unsubscribe> {
    return this.#connection.subscriptions.subscribe(this.#connection.keys.changes(sid), this.#listen(listener));
  }

  watchAll(listener: ChangeListener): Promise<Unsubscribe> {
    const { subscriptions, keys } = this.#connection;
    return subscriptions.subscribePattern(keys.allChanges, keys.noChanges, this.#listen(listener));
  }

  connect(uid: string, sid: string, incarnation: string): Promise<void> {
    return this.#sessions.change({ sid, incarnation }, { type: "connect", uid });
  }

  disconnect(uid: string, sid: string, incarnation: string): Promise<void> {
    return this.#sessions.change({ sid, incarnation }, { type: "disconnect", uid });
  }

  async getSessions(uids: readonly string[]): Promise<FrontendId[][]> {
    const { keys } = this.#connection;
    const replies = await Promise.all(
      chunks(uids, BATCH).map((chunk) =>
        this.#connection.run<string[][]>(
          scripts.sessions,
          chunk.map((uid) => keys.user(uid)),
          [],
        ),
      ),
    );
    return replies.flat().map((places) =>
      pairs(places).map(([sid, incarnation]) => ({
        sid: unescape(sid),
        incarnation: decodeURIComponent(incarnation),
      })),
    );
  }

  countUsers(sids: readonly string[]): Promise<number[]> {
    return Promise.all(
      sids.map((sid) => this.#connection.command((client) => client.scard(this.#connection.keys.usersAt(sid)))),
    );
  }

  async getServers(): Promise<string[]> {
    const sids = await this.#connection.command((client) => client.smembers(this.#connection.keys.sids));
    return sids.map(unescape);
  }

  async evict({ sid, incarnation }: FrontendId, reason: LeaveReason): Promise<number> {
    const { keys } = this.#connection;
    // Before the members: as long as some are left, whoever looks for what a dead reaper has left undone finds this sid.
    await this.#forgetSessions(sid, incarnation);
    let evicted = 0;
    for (;;) {
      const names = await this.#connection.command((client) => client.srandmember(keys.channelsAt(sid), BATCH));
      if (names.length === 0) break;
      const counts = await Promise.all(
        names.map((name) =>
          this.#connection.run<number>(
            scripts.evict,
            [keys.sets(name), keys.members(name, sid), keys.channelsAt(sid), keys.sids, keys.servers],
            [
              escape(sid),
              name,
              newEpoch(),
              keys.changes(sid),
              JSON.stringify(name),
              reason,
              COSTLY_BATCH,
              encodeURIComponent(incarnation),
            ],
          ),
        ),
      );
      evicted += counts.reduce((total, count) => total + Math.max(count, 0), 0);
      if (counts.includes(-1)) break;
    }
    return evicted;
  }

  async #forgetSessions(sid: string, incarnation: string): Promise<void> {
    const { keys } = this.#connection;
    for (const uids of chunks(await this.#scanSet(keys.usersAt(sid)), COSTLY_BATCH)) {
      await this.#connection.run(
        scripts.forgetSessions,
        [keys.usersAt(sid), keys.servers, ...uids.map((uid) => keys.user(uid))],
        [escape(sid), encodeURIComponent(incarnation), ...uids],
      );
    }
  }

  async #send(sets: readonly SetChanges[]): Promise<(string | Error)[]> {
    const { keys } = this.#connection;
    const setKeys = [keys.sids];
    const args: (string | number)[] = [keys.changesPrefix, FAREWELL_SECONDS];
    for (const { name, sid, changes } of sets) {
      setKeys.push(keys.sets(name), keys.members(name, sid), keys.channelsAt(sid));
      const set: unknown[] = [escape(sid), name];
      for (const { change } of changes) {
        set.push([change.type, change.reason, change.uids, newEpoch(), change.expected ?? false]);
      }
      args.push(JSON.stringify(set));
    }
    const results = await this.#connection.run<string[]>(scripts.change, setKeys, args);
    return results.map((result) => (result.startsWith("!") ? replyError(result.slice(1)) : result));
  }

  async #sendSessions(
    { sid, incarnation }: FrontendId,
    changes: readonly SessionChange[],
  ): Promise<(Error | undefined)[]> {
    const { keys } = this.#connection;
    const failures = await this.#connection.run<string[]>(
      scripts.changeSessions,
      [keys.usersAt(sid), keys.servers, ...changes.map(({ uid }) => keys.user(uid))],
      [
        escape(sid),
        encodeURIComponent(incarnation),
        ...changes.map(({ type, uid }) => (type === "connect" ? "+" : "-") + uid),
      ],
    );
    return failures.map((failure) => (failure === "" ? undefined : replyError(failure)));
  }

  /** Everything in a set, each once, in steps that Redis does not feel. */
  async #scanSet(key: string): Promise<string[]> {
    const found = new Set<string>();
    let cursor = "0";
    do {
      const [next, values] = await this.#connection.command((client) => client.sscan(key, cursor, "COUNT", BATCH));
      for (const value of values) found.add(value);
      cursor = next;
    } while (cursor !== "0");
    return [...found];
  }

  #listen(listener: ChangeListener): SubscriptionListener {
    const prefixLength = this.#connection.keys.changesPrefix.length;
    return {
      message: (message, channel) => {
        const sid = unescape(channel.slice(prefixLength));
        for (const line of message.split("\n")) {
          try {
            tell(listener, line, sid);
          } catch (error) {
            reportError(this, error);
          }
        }
      },
      gap: () => listener.gap?.(),
    };
  }
}

type PublishedChange = [
  name: string,
  type: string,
  version: Version | null,
  reason: string,
  uids: string[],
  isEdge?: true,
];

/** Tells a change, as the scripts publish it. */
function tell(listener: ChangeListener, line: string, sid: string): void {
  const [name, type, version, reason, uids, isEdge] = JSON.parse(line) as PublishedChange;
  if (type === "absent") {
    listener.absent?.(name, uids);
    return;
  }
  const change = (
    type === "clear" ? { type, name, sid } : { type, name, sid, version: version ?? undefined, uids, reason }
  ) as MemberSetChange;
  listener.change(isEdge ? atEdge(change) : change);
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
