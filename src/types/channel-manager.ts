import type { Awaitable, Unsubscribe } from "./awaitable.js";
import type { ChangeListener, MemberSetInfo } from "./member-set-change.js";
import type { JoinReason, LeaveReason, Membership, RestoredMembership, Version } from "./membership.js";
import type { FrontendId } from "./server-registry.js";

/**
 * What a manager can do beyond the required methods. Each capability that is declared brings the methods named after it;
 * what is not declared, or false, the service does without, at the cost given, also where the methods are there. A service or
 * frontend refuses to start with a manager that declares a capability and lacks one of its methods.
 *
 * The costs are for each capability that is missing alone; *live* is whom the registry lists.
 */
export interface ManagerCapabilities {
  /**
   * `addMany`, `leaveMany`. Without: `service.addMany`, `leaveMany` and `leaveAll` make one call for each membership, all at
   * the same time, and where one fails the others may be done. A frontend takes out, and restores, members one by one, so
   * that others are told the reasons `leave` and `join` instead of `disconnect` and `restored`.
   */
  bulk: boolean;
  /**
   * `findMember`, `scanMembers`. Without: `isMember` reads all members at every live frontend, 1 call each after a round trip
   * to the registry; a page of `listMembers` is all members at one frontend, whatever its `limit`.
   */
  queries: boolean;
  /**
   * `getMemberSets`, `readMemberSet`, `getChannelsBySid`, `watch`, `leaveIfUnchanged`. Without:
   * - `getChannels` and `leaveAll` are refused, unless there is a `userIndex`
   * - `count` reads all members at every live frontend, 1 call each
   * - a push does that too, and carries the uids: 1 call for each channel and live frontend of the type, O(members)
   * - users do not leave their channels when their sessions close or a push does not find them (`autoLeave`): such a member
   *   is one of the *failed* of every push until somebody takes it out, or `eviction` does when its frontend ends
   * - members that the store has lost are not restored
   */
  versions: boolean;
  /**
   * `connect`, `disconnect`, `getSessions`, `countUsers`. Without: `getSids`, `pushToUsers`, `disconnectUsers` and, unless there is a
   * `userIndex`, `getChannels` are refused; the report of a `broadcast` does not count the users of a frontend that fails
   * (`isUncounted`).
   */
  presence: boolean;
  /**
   * `getServers`, `evict`. Without: no service removes what a dead frontend has left: its members stay in the store, as its
   * entry does in the registry, until a frontend starts with its sid. A frontend that starts or stops takes out its sid's
   * members itself, with `versions`, O(members); without those they stay, and count again once the sid is live again. The
   * sessions of a dead frontend stay, too.
   */
  eviction: boolean;
  /** `watchAll`. Without: no events of the service; one that has a listener says so on the diagnostics channel. */
  events: boolean;
  /**
   * `getMembershipsByUid`. Without: `leaveAll` and `getChannels` ask the frontends where the user is, 1 round trip each, which
   * know it once they are told of it (see `watch`), and need `versions`; `getChannels` needs `presence`, too.
   */
  userIndex: boolean;
}

/** A Node callback of a manager. */
export type ManagerCallback = (error?: unknown, result?: unknown) => void;

/**
 * A manager as it was written for pomelo-globalchannel-plugin: each method calls back once. Services and frontends take it
 * in the place of a {@link ChannelManager}, which says how they tell the two apart. It can have no capabilities.
 */
export interface CallbackManager {
  start?(done: ManagerCallback): unknown;
  stop?(force: boolean, done: ManagerCallback): unknown;
  clean?(done: ManagerCallback): unknown;
  add(name: string, uid: string, sid: string, done: ManagerCallback): unknown;
  leave(name: string, uid: string, sid: string, done: ManagerCallback): unknown;
  getMembersBySid(name: string, sid: string, done: ManagerCallback): unknown;
  destroyChannel(name: string, done: ManagerCallback): unknown;
}

/**
 * Who is in which channel?
 *
 * Required are `add`, `leave`, `getMembersBySid` and `destroyChannel`. For whoever implements it:
 *
 * - **Names** are given as checked by the service: non-empty, well-formed Unicode, at most 1,024 bytes of UTF-8, and any two
 *   different ones are different, down to case and accents.
 * - **Atomic** is every `add` and every `leave`: of any number of adds of one member at the same time, from any number of
 *   processes, exactly one changes something and says so, and those of others are not lost (no reading of a list and writing
 *   it back). `destroyChannel` is atomic for each frontend's members: who is added meanwhile is either taken out and counted,
 *   or stays. What a call has done is seen by every call, in every process, that is made after it has resolved.
 * - **Concurrency**: all methods may be called at the same time, by any number of services and frontends, also thousands of
 *   times at once; a pool of connections must queue them. Calls of one process about one member, or one user's sessions,
 *   should take effect in the order in which they were made: frontends do not wait for one before they make the next.
 * - **Started once**: `start` is called once and waited for before any other method, however many services and frontends of
 *   this process have the same object as their manager; `stop` when the last of them stops. After that, and after a `start`
 *   that failed (no `stop` follows it), `start` may be called again.
 * - **Errors** reject, or are thrown. A {@link GlobalChannelError} is passed on as it is: `GC_STORE_UNAVAILABLE` for a store
 *   that cannot be reached, `GC_TIMEOUT` where it is not known what was done (both `temporary`: the same call may succeed
 *   later). Any other error becomes a `GC_STORE_ERROR` that names the method and has it as its `cause`; a result of another
 *   type than the contract's, as uids that are no array of strings, becomes one too. Promises must be settled: a call waits
 *   for as long as it takes, but for a push, which has its deadline.
 * - **Promise or callback style**: methods return a promise, or the value itself. A manager with callbacks is a
 *   {@link CallbackManager}: it is taken for one if `add.length > 3`, `leave.length > 3`, `getMembersBySid.length > 2` or
 *   `destroyChannel.length > 1`, whatever its parameters are called. A further parameter that is no callback must therefore
 *   have a default value, for `length` does not count those. As managers of the original told no results, what is not `false`
 *   is true for `add` and `leave`, and what is no number is 0 for `destroyChannel`.
 */
export interface ChannelManager {
  /** What it can do beyond the required methods. @default nothing */
  readonly capabilities?: Readonly<Partial<ManagerCapabilities>>;

  /** Gets ready; see *started once* above. @default nothing to do */
  start?(): Awaitable<void>;
  /** Ends what `start` began, once nobody of this process uses it. `force`: do not wait for calls. @default nothing to do */
  stop?(force?: boolean): Awaitable<void>;
  /** Removes everything that this manager has stored; watchers are not told. Not for a cluster that runs. @default cannot be done */
  clean?(): Awaitable<void>;

  /**
   * Makes `uid` at `sid` a member. Resolves whether that changed anything: false for one who was a member. 1 round trip.
   * Calls of one moment may be made as one change; so may those of {@link ChannelManager.leave}.
   */
  add(name: string, uid: string, sid: string): Awaitable<boolean>;
  /** Takes `uid` at `sid` out. Resolves whether that changed anything: false for one who was not a member. 1 round trip. */
  leave(name: string, uid: string, sid: string): Awaitable<boolean>;
  /** The uids of the members at `sid`, each once, in no order; empty if there are none. O(members at `sid`). */
  getMembersBySid(name: string, sid: string): Awaitable<string[]>;
  /** Takes all members out, at every frontend, dead ones too. Resolves how many there were. A later `add` starts afresh. */
  destroyChannel(name: string): Awaitable<number>;

  /**
   * `bulk`: {@link add} for many, in any mix of channels, in 1 round trip. Resolves how many were not members before. Each one
   * is atomic; those for one member set should be one change of it, or a few where they are very many.
   */
  addMany?(memberships: readonly RestoredMembership[], reason?: JoinReason): Awaitable<number>;
  /** `bulk`: {@link leave} for many, as {@link addMany}. Resolves how many were members. */
  leaveMany?(memberships: readonly Membership[], reason?: LeaveReason): Awaitable<number>;

  /** `queries`: the sids at which `uid` is a member of the channel. 1 round trip, O(frontends). */
  findMember?(name: string, uid: string): Awaitable<string[]>;
  /**
   * `queries`: a page of about `limit` members at `sid`. Start with cursor `''`; the cursor that comes back asks for the
   * next page, `''` is the end. Every member that is there from the first page to the last is in at least one of them.
   */
  scanMembers?(name: string, sid: string, cursor: string, limit: number): Awaitable<{ uids: string[]; cursor: string }>;

  /**
   * `versions`: the member sets of the channel that are not empty, dead frontends' too. 1 round trip, O(frontends).
   *
   * @param copies the sids whose members the caller wants, each with the version of the copy that it has, or undefined. A set
   *   that is wanted and at another version may bring its `uids`, where there are few enough to be read in the same step;
   *   the caller reads the others with {@link readMemberSet}
   */
  getMemberSets?(name: string, copies?: ReadonlyMap<string, Version | undefined>): Awaitable<MemberSetInfo[]>;
  /**
   * `versions`: the members at `sid` and the version at which they were read; version undefined and no uids if the set
   * is empty. A set too large to be read in one step may be read in several: then changes made meanwhile may be in it or
   * not, all up to `version` are, and a listener of {@link watch} gets the later ones.
   */
  readMemberSet?(name: string, sid: string): Awaitable<{ version: Version | undefined; uids: string[] }>;
  /** `versions`: the names of the channels with members at `sid`, each once, in no order. */
  getChannelsBySid?(sid: string): Awaitable<string[]>;
  /**
   * `versions`: tells of each change of a member set at `sid` that is made after this resolves, in order, before the call
   * that made the change resolves or soon after. It may also tell of changes made just before. Delivery class: at most once;
   * a loss shows as a gap in the versions.
   */
  watch?(sid: string, listener: ChangeListener): Awaitable<Unsubscribe>;
  /**
   * `versions`: takes `uids` out, but only while the set is still at `version`: an `add` of a member raises the version even
   * where it changes nothing else, so that nobody who was added again is taken out. Resolves how many left.
   * @param reason @default "disconnect"
   */
  leaveIfUnchanged?(
    name: string,
    sid: string,
    uids: readonly string[],
    version: Version,
    reason?: LeaveReason,
  ): Awaitable<number>;

  /** `presence`: notes that `uid` has a session at this incarnation of `sid`. */
  connect?(uid: string, sid: string, incarnation: string): Awaitable<void>;
  /** `presence`: notes that the last session of `uid` at this incarnation of `sid` is closed. */
  disconnect?(uid: string, sid: string, incarnation: string): Awaitable<void>;
  /** `presence`: for each uid, in the order given, where it has sessions; dead incarnations may be among them. 1 round trip. */
  getSessions?(uids: readonly string[]): Awaitable<FrontendId[][]>;
  /** `presence`: for each sid, in the order given, how many users have sessions there. 1 round trip. */
  countUsers?(sids: readonly string[]): Awaitable<number[]>;

  /** `eviction`: the sids that have members, each once, in no order. 1 round trip, O(frontends). */
  getServers?(): Awaitable<string[]>;
  /**
   * `eviction`: takes every member at `frontend.sid` out of every channel, and forgets the sessions there. Each membership
   * gives exactly one `leave` change, however many callers do this at once. Where the store can see the registry, it does
   * nothing while that incarnation is live or another one holds the sid, and spares the sessions of that one. Resolves how
   * many members it took out itself.
   */
  evict?(frontend: FrontendId, reason: LeaveReason): Awaitable<number>;

  /** `userIndex`: the memberships of a user, at `sid` or at any frontend, dead ones too, in no order. 1 round trip. */
  getMembershipsByUid?(uid: string, sid?: string): Awaitable<Membership[]>;

  /** `events`: {@link watch} for the member sets of all frontends. Also tells where channels begin and end. */
  watchAll?(listener: ChangeListener): Awaitable<Unsubscribe>;
}
