import { checkList, checkName, checkId } from "../arguments.js";
import { addMany, leaveMany } from "../bulk.js";
import { requireCapability } from "../cluster/check-capabilities.js";
import { startParts, stopParts } from "../cluster/parts.js";
import { reportError, reportGap } from "../diagnostics.js";
import { aBoolean, milliseconds, resolveOptions } from "../options.js";
import type { Cluster, ClusterInput, HistoryPosition, ManagerCapabilities, Member } from "../types.js";
import { withCallback, type Callback } from "./callback.js";
import { MembershipEvents } from "./membership-events.js";
import {
  checkMembership,
  checkMemberships,
  sizeOf,
  type MembershipInput,
  type Sid,
  type Uid,
} from "./membership-input.js";
import { MembershipQueries, type MemberPage, type PageOptions } from "./membership-queries.js";
import { HistoryQueries, type HistoryOptions, type HistoryResult } from "./history-queries.js";
import { PushCalls } from "./push-calls.js";
import { Pusher } from "./pusher.js";
import type { PushOptions } from "./push-options.js";
import { PushRecords } from "./push-records.js";
import type { PushReport } from "./push-report.js";
import { Reaper } from "./reaper.js";
import { ServiceEmitter } from "./service-emitter.js";
import { closed, ServiceCalls } from "./service-calls.js";
import { resolveServiceOptions, type GlobalChannelServiceOptions } from "./service-options.js";

/**
 * What a backend uses: membership, queries, pushes and events.
 *
 * Every method returns a promise, and takes a Node callback as its last argument, which is called once. Arguments are
 * checked before anything is done: `GC_INVALID_ARGUMENT`, and `GC_INVALID_OPTION` for what is in an options object. Before `start` every method rejects with `GC_NOT_STARTED`, after
 * `stop` with `GC_CLOSED`; while the store is out of reach with `GC_STORE_UNAVAILABLE` (temporary); beyond `maxPendingPushes` and
 * `maxPendingCalls` with `GC_OVERLOADED` (temporary; nothing was done). Frontends that are not
 * alive are not counted: no read names their members, and no push targets them.
 *
 * Events: those of `ServiceEvents`, of the whole cluster, from the moment that {@link GlobalChannelService.start}
 * resolves with a listener present, or soon after the first listener is added, until {@link GlobalChannelService.stop}. What a
 * listener throws, or its promise rejects with, is told on the diagnostics channel `globalchannel:error` as
 * `GC_LISTENER_FAILED`; what is thrown keeps that event from the listeners after it, as with any EventEmitter. Without the
 * manager's capability `events` there are none, which is told there too.
 */
export class GlobalChannelService extends ServiceEmitter {
  /** The cluster as it was given: for a frontend beside this service, whose parts are started once then. */
  readonly cluster: ClusterInput;
  readonly #cluster: Cluster;
  readonly #pusher: Pusher;
  readonly #queries: MembershipQueries;
  readonly #reaper: Reaper;
  readonly #events: MembershipEvents;
  readonly #pushes: PushCalls;
  readonly #records: PushRecords;
  readonly #history: HistoryQueries;
  readonly #calls: ServiceCalls;
  readonly #timeoutMs: number;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: GlobalChannelServiceOptions) {
    super();
    const resolved = resolveServiceOptions(options);
    this.cluster = options.cluster;
    const { cluster, reapIntervalMs, autoLeave, leaveDelayMs } = resolved;
    this.#cluster = cluster;
    this.#timeoutMs = resolved.timeoutMs;
    this.#calls = new ServiceCalls(this, resolved.maxPendingCalls);
    this.#pushes = new PushCalls({ service: this, ...resolved, run: (call) => this.#calls.run(call) });
    const report = (error: unknown): void => reportError(this, error);
    const track = (late: Promise<unknown>): void => this.#pushes.track(late);
    this.#pusher = new Pusher({ cluster, autoLeave, report, track });
    this.#records = new PushRecords({ history: cluster.history, report, track });
    this.#history = new HistoryQueries(cluster.history);
    this.#queries = new MembershipQueries(cluster, resolved.timeoutMs);
    this.#reaper = new Reaper({ cluster, graceMs: resolved.graceMs, intervalMs: reapIntervalMs, report, source: this });
    const tell = this.tell.bind(this);
    this.#events = new MembershipEvents({
      manager: cluster.manager,
      leaveDelayMs,
      graceMs: resolved.graceMs,
      tell,
      report,
      gap: () => reportGap(this, "changes"),
      missed: (gap) => this.tell("gap", gap),
    });
    this.onListener(() => {
      if (this.#calls.isOpen) void this.#events.startLate();
    });
  }

  /**
   * Connects. Calling it again returns the same promise; after a failure it may be tried again.
   * @throws `GC_INVALID_OPTION` the manager declares a capability and has not its methods; nothing was started
   */
  start(callback?: Callback<void>): Promise<void> {
    if (this.#stopping) return withCallback(Promise.reject(closed()), callback);
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return withCallback(this.#starting, callback);
  }

  /**
   * Refuses new calls, waits for the pushes under way (until their deadlines; with `force` not at all), tells the events that
   * `leaveDelayMs` holds back, and disconnects what no other service or frontend of this process uses. Calling it again
   * returns the same promise.
   */
  stop(force: boolean | Callback<void> = false, callback?: Callback<void>): Promise<void> {
    if (typeof force === "function") return this.stop(false, force);
    this.#calls.close();
    this.#stopping ??= this.#stop(force);
    return withCallback(this.#stopping, callback);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Makes `uid` at `sid` a member of the channel. Resolves false if it was one already. 1 round trip. */
  add(name: string, uid: Uid, sid: Sid, callback?: Callback<boolean>): Promise<boolean> {
    return this.#calls.call(callback, () => {
      const member = checkMembership({ name, uid, sid });
      return this.#cluster.manager.add(member.name, member.uid, member.sid);
    });
  }

  /** Takes `uid` at `sid` out of the channel. Resolves false if it was not a member. 1 round trip. */
  leave(name: string, uid: Uid, sid: Sid, callback?: Callback<boolean>): Promise<boolean> {
    return this.#calls.call(callback, () => {
      const member = checkMembership({ name, uid, sid });
      return this.#cluster.manager.leave(member.name, member.uid, member.sid);
    });
  }

  /**
   * Adds many members, of any channels. Resolves how many were not members before. 1 round trip (without the manager's
   * capability `bulk`: one for each). Each membership is atomic, not the whole: members of one channel at one frontend are
   * added together where the manager has `bulk`, on Redis at most 125 at a time; after an error some may have been added.
   */
  addMany(memberships: readonly MembershipInput[], callback?: Callback<number>): Promise<number> {
    const add = (): Promise<number> => addMany(this.#cluster.manager, checkMemberships(memberships), "join");
    return this.#calls.call(callback, add, sizeOf(memberships));
  }

  /** Takes many members out, of any channels. Resolves how many were members. Cost and atomicity as {@link addMany}. */
  leaveMany(memberships: readonly MembershipInput[], callback?: Callback<number>): Promise<number> {
    const leave = (): Promise<number> => leaveMany(this.#cluster.manager, checkMemberships(memberships), "leave");
    return this.#calls.call(callback, leave, sizeOf(memberships));
  }

  /**
   * Takes `uid` at `sid` out of every channel. Resolves how many those were. 2 round trips: the manager says which channels
   * they are where it has a `userIndex`; else the frontend, or the store if the frontend does not answer, which then costs
   * O(members at `sid`).
   */
  leaveAll(uid: Uid, sid: Sid, callback?: Callback<number>): Promise<number> {
    return this.#calls.call(callback, async () => {
      const user = checkId("uid", uid);
      const place = checkId("sid", sid);
      if (!this.#hasUserIndex) this.#require("versions", "leaveAll");
      return leaveMany(this.#cluster.manager, await this.#queries.membershipsAt(user, place), "leave");
    });
  }

  /**
   * Takes all members out, also those at frontends that are down, and forgets the channel's history. Resolves how many there were.
   * 3 round trips or more.
   */
  destroyChannel(name: string, callback?: Callback<number>): Promise<number> {
    return this.#calls.call(callback, async () => {
      const count = await this.#cluster.manager.destroyChannel(checkName("name", name));
      await this.#history.remove(name);
      return count;
    });
  }

  /** The uids of the members at `sid`, each once, in no order. 1 round trip. */
  getMembersBySid(name: string, sid: Sid, callback?: Callback<string[]>): Promise<string[]> {
    return this.#calls.call(callback, () => this.#queries.membersBySid(checkName("name", name), checkId("sid", sid)));
  }

  /** The uids of the members at frontends of this type, each once, in no order. 2 round trips, O(members). */
  getMembersByChannelName(stype: string, name: string, callback?: Callback<string[]>): Promise<string[]> {
    return this.#calls.call(callback, () =>
      this.#queries.membersByType(checkName("stype", stype), checkName("name", name)),
    );
  }

  /**
   * The channels of a user at frontends where it has a session, each once, in no order. 1 round trip where the manager has a
   * `userIndex`; else 3, and it needs `presence` and `versions`. Without `presence` every live frontend counts.
   */
  getChannels(uid: Uid, callback?: Callback<string[]>): Promise<string[]> {
    return this.#calls.call(callback, () => {
      const user = checkId("uid", uid);
      if (!this.#hasUserIndex) {
        this.#require("versions", "getChannels");
        this.#require("presence", "getChannels");
      }
      return this.#queries.channels(user);
    });
  }

  /** The sids of the frontends where a user has a session, in no order. 1 round trip. Needs the capability `presence`. */
  getSids(uid: Uid, callback?: Callback<string[]>): Promise<string[]> {
    return this.#calls.call(callback, () => {
      const user = checkId("uid", uid);
      this.#require("presence", "getSids");
      return this.#queries.sids(user);
    });
  }

  /** Whether a user is a member, at any frontend. 1 round trip. */
  isMember(name: string, uid: Uid, callback?: Callback<boolean>): Promise<boolean> {
    return this.#calls.call(callback, () => this.#queries.isMember(checkName("name", name), checkId("uid", uid)));
  }

  /**
   * How many members the channel has, at frontends of `stype` or of any type. A user who is a member at two frontends counts
   * twice. 1 round trip, O(frontends).
   */
  count(name: string, stype?: string | Callback<number>, callback?: Callback<number>): Promise<number> {
    if (typeof stype === "function") return this.count(name, undefined, stype);
    return this.#calls.call(callback, () =>
      this.#queries.count(checkName("name", name), stype === undefined ? undefined : checkName("stype", stype)),
    );
  }

  /**
   * A page of about `limit` members, in no order. Give the `cursor` that came with it to get the next page; it is undefined
   * with the last one. Who is a member from the first page to the last is in at least one of them. 2 round trips, and 1 more
   * for each 1,000 of `limit` beyond the first.
   */
  listMembers(
    name: string,
    options: PageOptions | Callback<MemberPage> = {},
    callback?: Callback<MemberPage>,
  ): Promise<MemberPage> {
    if (typeof options === "function") return this.listMembers(name, {}, options);
    return this.#calls.call(callback, () => this.#queries.page(checkName("name", name), options));
  }

  /** Every member, page by page. See {@link listMembers}. */
  async *members(name: string, options: { stype?: string; pageSize?: number } = {}): AsyncGenerator<Member> {
    const { pageSize = 1000, ...filter } = options;
    let cursor: string | undefined;
    do {
      const page = await this.listMembers(name, { ...filter, limit: pageSize, ...(cursor && { cursor }) });
      yield* page.members;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  /**
   * Pushes to the members of a channel at frontends of type `stype`, or of several channels, with one copy for each user.
   *
   * Resolves the report once every frontend has answered or the deadline is over; with `ack: false`, once it is sent. A
   * callback gets `(error, failIds)`, the uids that are not known to be delivered, and an error also where some of them are
   * not known (`unlisted`); with `ack: false`, those that are known not to have got it. Pushes from one service to one channel
   * reach each client in the order of the calls. A push called after an `add` has resolved reaches that member. 1 round trip
   * on a standalone Redis; 2 to more than 100 channels, and with another manager, registry or transport.
   * @throws `GC_MESSAGE_NOT_SERIALIZABLE`, `GC_MESSAGE_TOO_LARGE`, `GC_OVERLOADED` (nothing was sent),
   *   `GC_PUSH_FAILED` every targeted frontend failed; its `report` says how
   */
  pushMessage(
    stype: string,
    route: string,
    msg: unknown,
    name: string | readonly string[],
    options?: PushOptions | Callback<string[]> | null,
    callback?: Callback<string[]>,
  ): Promise<PushReport> {
    return this.#pushes.call({ stype, route, msg, name, options, callback }, (push) => {
      const names = [...new Set(Array.isArray(name) ? checkList("name", name, checkName) : [checkName("name", name)])];
      return this.#records.send("channels", names, push, (recorded) =>
        this.#pusher.toChannels(recorded.names, { ...push, ...recorded }),
      );
    });
  }

  /**
   * Pushes to users wherever they have sessions at frontends of type `stype`. Users without a session are *failed*. Report,
   * callback and errors as {@link pushMessage}. 2 round trips. Needs the capability `presence`.
   */
  pushToUsers(
    stype: string,
    route: string,
    msg: unknown,
    uids: readonly Uid[],
    options?: PushOptions | Callback<string[]> | null,
    callback?: Callback<string[]>,
  ): Promise<PushReport> {
    return this.#pushes.call({ stype, route, msg, uids, options, callback }, (push) => {
      const users = checkList("uids", uids, checkId);
      this.#require("presence", "pushToUsers");
      return this.#records.send("users", [], push, (recorded) => this.#pusher.toUsers(users, { ...push, ...recorded }));
    });
  }

  /**
   * Pushes to everyone who has a session at a frontend of type `stype`. Report, callback and errors as {@link pushMessage};
   * users of a frontend that does not answer are counted (with those in `except`), not listed. 2 round trips.
   */
  broadcast(
    stype: string,
    route: string,
    msg: unknown,
    options?: PushOptions | Callback<string[]> | null,
    callback?: Callback<string[]>,
  ): Promise<PushReport> {
    return this.#pushes.call({ stype, route, msg, options, callback }, (push) =>
      this.#records.send("everyone", [], push, (recorded) => this.#pusher.toEveryone({ ...push, ...recorded })),
    );
  }

  /**
   * Closes every session of these users at frontends of type `stype`, after the pushes to users and to everyone that were called before;
   * a push to a channel that they are to have before must be waited for. They leave their channels as those do whose client has gone.
   * Resolves a report as {@link pushMessage} does: *delivered* are those whose sessions are closed, *failed* those who have none. Clients may come back: to refuse that is the business of who identifies them. With
   * `close` the connection under a session is closed too, where it can carry several (Socket.IO). 2 round trips. Needs the
   * capability `presence`, and connectors with the method `disconnectUsers`.
   * @throws `GC_PUSH_FAILED` every frontend where they have sessions failed; its `report` says how
   */
  disconnectUsers(
    stype: string,
    uids: readonly Uid[],
    options: { close?: boolean; timeoutMs?: number } | Callback<PushReport> = {},
    callback?: Callback<PushReport>,
  ): Promise<PushReport> {
    if (typeof options === "function") return this.disconnectUsers(stype, uids, {}, options);
    return this.#calls.call(callback, () => {
      const type = checkName("stype", stype);
      const users = checkList("uids", uids, checkId);
      const call = resolveOptions("disconnectUsers", options, {
        close: aBoolean(false),
        timeoutMs: milliseconds(this.#timeoutMs),
      });
      this.#require("presence", "disconnectUsers");
      return this.#pusher.disconnect(users, { stype: type, ...call });
    });
  }

  /**
   * What was pushed to a channel lately, as far as its history is kept: in turn, the oldest first. 1 round trip for each 500 messages,
   * or 1 MB of them.
   * @throws `GC_UNSUPPORTED` the cluster has no history
   */
  history(
    name: string,
    options: HistoryOptions | Callback<HistoryResult> = {},
    callback?: Callback<HistoryResult>,
  ): Promise<HistoryResult> {
    if (typeof options === "function") return this.history(name, {}, options);
    return this.#calls.call(callback, () => this.#history.list(name, options));
  }

  /**
   * What was pushed to a channel after a position, all of it, as a client misses it that had that position last; or a `gap`, and no
   * messages, where some of them are not kept. Cost and errors as {@link history}.
   */
  recover(name: string, position: HistoryPosition, callback?: Callback<HistoryResult>): Promise<HistoryResult> {
    return this.#calls.call(callback, () => this.#history.recover(name, position));
  }

  async #start(): Promise<void> {
    await startParts(this.#cluster);
    try {
      if (this.isHeard) await this.#events.start();
    } catch (error) {
      await stopParts(this.#cluster, true);
      throw error;
    }
    this.#reaper.start();
    this.#calls.open();
  }

  async #stop(force: boolean): Promise<void> {
    const started = await this.#starting?.then(
      () => true,
      () => false,
    );
    if (!started) return;
    if (!force) await this.#pushes.settled();
    await this.#reaper.stop();
    await this.#events.stop();
    await stopParts(this.#cluster, force);
  }

  get #hasUserIndex(): boolean {
    return this.#cluster.manager.capabilities?.userIndex === true;
  }

  #require(capability: keyof ManagerCapabilities, method: string): void {
    requireCapability(this.#cluster.manager, capability, method);
  }
}
