/**
 * The contracts of globalchannel, in the terms that code, docs and errors share:
 *
 * - channel: a named set of members; any non-empty string is a valid name
 * - member: a pair (`uid`, `sid`): this user, connected at this frontend
 * - frontend: a server process that holds client connections; id `sid`, type `stype` (e.g. `connector`)
 * - backend: a server process that manages channels and pushes; it holds no client connections
 * - session: one client connection of a `uid` at a frontend; a `uid` may have several, at several frontends
 * - route, msg: the name and the body of a pushed message
 * - incarnation: one life of a frontend; a restarted `connector-1` is a new incarnation of the same `sid`
 * - member set: the members of one channel at one frontend; every change raises its version
 */

/** A value or a promise of it. */
export type Awaitable<T> = T | Promise<T>;

/** Ends what was started; calling it again does nothing. */
export type Unsubscribe = () => Awaitable<void>;

/** A user at a frontend. */
export interface Member {
  uid: string;
  sid: string;
}

/** A member of the channel `name`. */
export interface Membership extends Member {
  name: string;
}

/** A membership that a frontend restores. */
export interface RestoredMembership extends Membership {
  /** How long ago, in milliseconds, the frontend heard that the user had left, if it has; it has heard since that it is back. */
  leftMsAgo?: number;
}

/** Why a member joined: somebody added it, or its frontend registered it again after the store had lost it. */
export type JoinReason = "join" | "restored";

/** Why a member left: it was taken out, its last session closed, its frontend died, or the channel was destroyed. */
export type LeaveReason = "leave" | "disconnect" | "server-down" | "destroyed";

/** What `service.on('join')` and `service.on('leave')` listeners get. */
export interface MembershipEvent extends Membership {
  reason: JoinReason | LeaveReason;
}

/** What `service.on('channel-created')` and `service.on('channel-emptied')` listeners get. */
export interface ChannelEvent {
  name: string;
  /** The frontend of the change that did it, and its reason. */
  sid: string;
  reason: JoinReason | LeaveReason;
}

/**
 * The version of a member set: `<epoch>.<counter>`. The epoch is new whenever an empty set gets its first member, where the
 * counter is 1; each later change adds 1. Versions of different epochs have no order.
 */
export type Version = string;

/** One member set, without its members. */
export interface MemberSetInfo {
  sid: string;
  version: Version;
  /** How many members. */
  count: number;
  /** All members at `version`, each once, where they came along (see {@link ChannelManager.getMemberSets}). */
  uids?: readonly string[];
}

/**
 * A change of one member set, in the order in which the store made it.
 *
 * `created` and `emptied` are for {@link ChannelManager.watchAll}: with this change the channel has got its first member, or
 * lost its last one, all frontends together. The store decides that: of any number of joins, at any frontends, exactly one
 * creates, and exactly one leave, or `clear`, empties; those of one channel are told in turn, whatever frontends they are at.
 * A manager that leaves them out gives no `channel-created` and `channel-emptied` events.
 */
export type MemberSetChange =
  /** Also told of an `add` that changes nothing, with no uids: it raises the version all the same. */
  | {
      type: "join";
      name: string;
      sid: string;
      /** The version that this change made. */
      version: Version;
      uids: readonly string[];
      reason: JoinReason;
      created?: true;
    }
  | {
      type: "leave";
      name: string;
      sid: string;
      /** The version that this change made, or undefined where a `clear` has told of it already. */
      version: Version | undefined;
      uids: readonly string[];
      reason: LeaveReason;
      emptied?: true;
    }
  /** The whole set is gone; `leave` changes without a version tell who was in it. */
  | { type: "clear"; name: string; sid: string; emptied?: true };

/** What is in doubt of all that was learnt from changes. */
export interface ChangeGap {
  /** Whether it is about this channel. @default it is about all of them */
  concerns?: (name: string) => boolean;
  /**
   * Whether the store may also have lost changes that it had made and told of, as one that has failed over to a replica. For stores
   * that keep those out of a join with the reason `restored` who were told to leave meanwhile: members whom frontends know and the
   * store does not are restored then (see {@link RestoredMembership}). @default false
   */
  mayHaveLost?: boolean;
}

/** What {@link ChannelManager.watch} tells. */
export interface ChangeListener {
  change(change: MemberSetChange): void;
  /** Changes may have been missed (a connection was lost and is back); what was learnt from changes is stale. */
  gap?(gap?: ChangeGap): void;
  /** Changes are not told from now on, until a {@link gap} says that they are again. @default nothing is known before the gap */
  interrupted?(gap?: ChangeGap): void;
  /**
   * These are no members, and nobody is to restore them: somebody has called `leave` for them, or they were to be restored and had been
   * taken out meanwhile. Told, in order with the changes, by stores that may lose data.
   */
  absent?(name: string, uids: readonly string[]): void;
}

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
   * `connect`, `disconnect`, `getSessions`, `countUsers`. Without: `getSids`, `pushToUsers` and, unless there is a `userIndex`, `getChannels` are refused; the
   * report of a `broadcast` does not count the users of a frontend that fails (`isUncounted`).
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

/** One incarnation of a frontend. */
export interface FrontendId {
  sid: string;
  incarnation: string;
}

/** A frontend as the registry knows it. */
export interface FrontendInfo extends FrontendId {
  stype: string;
  /** Where it runs, for people: `pid 4711 on host-a`. */
  holder: string;
}

/**
 * What became of a lease when it was renewed: `held`; `lapsed`: it had ended, nobody had taken it, it is held again;
 * `missing`: the registry knew nothing of it, it is held again; `taken`: another incarnation holds the sid now.
 */
export type LeaseState = "held" | "lapsed" | "missing" | "taken";

/** Which frontends are alive, of which type? All times are on the registry's own clock. */
export interface ServerRegistry {
  start?(): Awaitable<void>;
  stop?(force?: boolean): Awaitable<void>;
  /**
   * Reserves `frontend.sid` for this incarnation, for `leaseMs`. It is not listed before the first {@link renew}, and not any more
   * where it was live: frontends that stop do that while their members are taken out.
   * @throws `GC_SID_IN_USE` with the `holder` while another incarnation's lease has not ended
   */
  register(frontend: FrontendInfo, leaseMs: number): Awaitable<void>;
  /** Makes or keeps it live for `leaseMs` from now. Changes nothing if the state is `taken`. 1 round trip. */
  renew(frontend: FrontendInfo, leaseMs: number): Awaitable<LeaseState>;
  /** Ends this incarnation's lease and forgets it. Resolves whether it was there. */
  unregister(frontend: FrontendId): Awaitable<boolean>;
  /** Forgets this incarnation if its lease has ended. Resolves whether it did. */
  forget(frontend: FrontendId): Awaitable<boolean>;
  /** The frontends that are alive now, in no order. 1 round trip, O(frontends). */
  list(): Awaitable<FrontendInfo[]>;
  /** The frontends whose lease, if only reserved, ended more than `graceMs` ago, and that were not forgotten since. */
  listDead(graceMs: number): Awaitable<FrontendInfo[]>;
}

/** Whom a push is for, at one frontend. */
export type PushTarget =
  /** The members of these channels, one copy per user; each set at this version or a newer one. */
  | { channels: readonly { name: string; version: Version }[] }
  | { uids: readonly string[] }
  /** Everyone with a session at the frontend. */
  | { everyone: true };

/** What a service asks of one frontend. */
export type FrontendRequest =
  | {
      type: "push";
      target: PushTarget;
      route: string;
      /** The message as JSON text. */
      body: string;
      /** Uids left out. */
      except?: readonly string[] | undefined;
    }
  /** Which channels is this user a member of, at this frontend? */
  | { type: "channels"; uid: string };

/** What the frontend answers. */
export interface FrontendReplies {
  /** How many users have got it, and the uids of those who have no session here. */
  push: { delivered: number; failed: readonly string[] };
  channels: { names: readonly string[] };
}
export type ReplyTo<R extends FrontendRequest> = FrontendReplies[R["type"]];
export type FrontendReply = FrontendReplies[FrontendRequest["type"]];

/**
 * Handles one request at the frontend. What it throws, the caller gets as `GC_FRONTEND_ERROR`. What it returns may never settle:
 * where another incarnation has the sid, this one does not answer. A transport neither holds up others for it nor waits for it
 * when `serve` ends.
 */
export type RequestHandler = (request: FrontendRequest) => Awaitable<FrontendReply>;

/** What a transport cannot do; what is not declared is false. */
export interface TransportLimits {
  /** Frontends are reached by code that knows no channels: a push names its uids, which the service keeps copies of. */
  uidsOnly: boolean;
}

/**
 * How does a message reach one frontend?
 *
 * Requests from one service to one frontend are handled in the order of the calls, each at most once.
 */
export interface RpcTransport {
  /** What it cannot do. @default nothing */
  readonly limits?: Readonly<Partial<TransportLimits>>;
  start?(): Awaitable<void>;
  stop?(force?: boolean): Awaitable<void>;
  /**
   * Asks the frontend and resolves its answer.
   * @throws `GC_TIMEOUT` no answer within `timeoutMs`: whether it was handled is not known;
   *   `GC_FRONTEND_UNREACHABLE` it is known that nobody got it; `GC_FRONTEND_ERROR` the frontend's handler failed. Of anything else
   *   it is not known whether the request was handled: those whom it was for are *unknown* in the push report
   */
  request<R extends FrontendRequest>(sid: string, request: R, options: { timeoutMs: number }): Promise<ReplyTo<R>>;
  /**
   * Sends the frontend a request whose answer nobody waits for, in the order of the calls with those of {@link request}.
   * Resolves when it is sent. Where a transport lacks it, services call `request` and drop what comes of it.
   * @throws `GC_FRONTEND_UNREACHABLE` it is known that nobody got it
   */
  send?(sid: string, request: FrontendRequest): Promise<void>;
  /** Handles the requests to `sid` from now on. Resolves when none can be missed any more. */
  serve(sid: string, handler: RequestHandler): Awaitable<Unsubscribe>;
  /**
   * Resolves once every request that was sent to `sid` before this call has been handed to its handler, or never will be. The
   * frontend there asks for it when it was taken for dead, and refuses all requests meanwhile. Where a transport lacks it, a
   * frontend that was taken for dead may deliver what was sent to it before.
   */
  fence?(sid: string): Awaitable<void>;
}

/** A message as its receivers get it. */
export interface ClientMessage {
  route: string;
  /** The message as JSON text. */
  body: string;
}

/** What a connector tells its frontend. */
export interface ConnectorHost {
  readonly sid: string;
  /** A session of `uid` has opened; once per session. */
  opened(uid: string): void;
  /** A session of `uid` has closed; once per opened session. */
  closed(uid: string): void;
  /** A client has sent a message. Resolves when it is handled: of a client that has many that are not, no more should be read. */
  message(uid: string, route: string, msg: unknown): Awaitable<void>;
  /** Something failed that nobody waits for. */
  error(error: Error): void;
}

/** How does a frontend hand a message to its client connections? */
export interface Connector {
  /** Begins to accept clients. */
  start?(host: ConnectorHost): Awaitable<void>;
  /** Closes all sessions (each is reported to the host) and accepts no more. */
  stop?(): Awaitable<void>;
  /**
   * Writes the message to every session of these users, in the order of the calls, without waiting for the clients. Throws or
   * rejects only where nobody has got it: all of them count as *failed* then.
   * @returns the uids that have no session here (or whose only sessions could not take it)
   */
  deliver(uids: ReadonlySet<string>, message: ClientMessage): Awaitable<readonly string[]>;
  /** The same for every user who has a session and is not in `except`; returns how many users have got it. */
  deliverToAll(message: ClientMessage, except: ReadonlySet<string>): Awaitable<number>;
}

/** A push of one service, before it is known which frontends it concerns. */
export interface ChannelPush extends ClientMessage {
  names: readonly string[];
  stype: string;
  except: readonly string[];
  timeoutMs: number;
  /** Whether the frontends are to answer. */
  ack: boolean;
}

/** One frontend's part in a push. */
export interface PushedFrontend {
  sid: string;
  /** How many members the channels have there; a user who is in several of them counts in each. Undefined: nobody knows. */
  count: number | undefined;
}

/** Is told what becomes of a push at each frontend, once each. */
export interface ReplyListener {
  answered(sid: string, reply: FrontendReplies["push"]): void;
  /** It was sent there, and no answer was asked for. */
  sent(sid: string): void;
  /** @param error as {@link RpcTransport.request} rejects */
  failed(sid: string, error: unknown): void;
}

/** A push on its way. */
export interface SentPush<P extends PushedFrontend = PushedFrontend> {
  /** Where it went. */
  parts: readonly P[];
  /** Tells the listener what becomes of it, of what is known already at once. Called once, unless it went nowhere. */
  listen(listener: ReplyListener): void;
}

/**
 * Reads the member sets, picks the live frontends and sends each its request, all in one round trip. It stands in for
 * manager, registry and transport together, so the service uses it only while all three are the ones it was made of.
 */
export interface FusedPush {
  readonly parts: Pick<Cluster, "manager" | "registry" | "transport">;
  /** To how many channels a push may go; one to more is sent in two steps. */
  readonly maxNames: number;
  /**
   * Resolves where the push went, once it is sent.
   * @throws `GC_TIMEOUT` that is not known within `timeoutMs`, and neither is then whether it was sent
   */
  push(push: ChannelPush): Promise<SentPush>;
}

/** The parts that services and frontends of one cluster share. Each may be replaced by another implementation. */
export interface Cluster {
  manager: ChannelManager;
  registry: ServerRegistry;
  transport: RpcTransport;
  fusedPush?: FusedPush | undefined;
}

/** A cluster as services and frontends take it: its manager may be one that calls back. */
export interface ClusterInput extends Omit<Cluster, "manager"> {
  manager: ChannelManager | CallbackManager;
}
