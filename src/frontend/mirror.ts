import { chunks } from "../batches.js";
import type {
  ChangeGap,
  ChangeListener,
  ChannelManager,
  Membership,
  MemberSetChange,
  Unsubscribe,
  Version,
} from "../types.js";
import { isAtLeast, isFirst, nextVersion } from "../version.js";
import { HeardLeaves } from "./heard-leaves.js";
import { UserChannels } from "./user-channels.js";

/** The part of a manager with the capability `versions` that a mirror needs. */
export type MirrorSource = Required<Pick<ChannelManager, "readMemberSet" | "getChannelsBySid" | "watch">>;

export interface MirrorListener extends Required<Pick<ChangeListener, "change" | "absent">> {
  gap(gap?: ChangeGap): void;
  /**
   * These members are no longer in the store, and no change said that they left.
   * @param mayBeLost the store may have lost them, not only the frontend the change
   */
  dropped(name: string, uids: readonly string[], mayBeLost: boolean): void;
  /** The store has lost that these have left: they are members again. */
  undone(name: string, uids: readonly string[]): void;
  /** As far as is known the user has become a member, or is none any more; in turn for each user and channel. */
  joined?(uid: string, name: string): void;
  left?(uid: string, name: string): void;
}

/** What is known of one member set. */
interface Copy {
  version: Version;
  uids: Set<string>;
  /** Whether a change was missed: the members are the best that is known, and must be read before they are used. */
  stale: boolean;
  /** Since when the store may have lost what is here, or may lose it, as changes are not told. */
  doubtedAt?: number | undefined;
  /** Whether they are told again: it is read for the last time. */
  isTold?: boolean;
}

/** For how long changes may not be told so that who is no longer in the store may be lost: stores keep for a minute who has left. */
const MAX_DOUBT_MS = 50_000;
/** How many reads begin again because of missed changes before the read is given up. */
const MAX_READS = 50;
/** How many changes are kept for a read that is under way. */
const MAX_CHANGES = 10_000;
/** How many member sets are read at the same time to catch up. */
const CATCH_UP_BATCH = 64;

/**
 * A frontend's copy of its own member sets. Changes keep it up to date; versions say whether it is. A change that does not
 * follow the version that is here makes that copy stale, and it is read again when it is next needed.
 */
export class Mirror {
  readonly #source: MirrorSource;
  readonly #sid: string;
  readonly #listener: MirrorListener;
  readonly #copies = new Map<string, Copy>();
  readonly #channelsByUid = new UserChannels();
  readonly #leaves = new HeardLeaves();
  /** Reads under way, with the changes that came meanwhile. */
  readonly #reads = new Map<
    string,
    { done: Promise<ReadonlySet<string>>; changes: MemberSetChange[]; missed: boolean }
  >();
  /** How often changes were missed, and how many of those times have been made up for; what was before counts as missed. */
  #misses = 1;
  #missesCaughtUp = 0;
  #catchingUp: Promise<void> | undefined;
  #unwatch: Unsubscribe | undefined;

  constructor(source: MirrorSource, sid: string, listener: MirrorListener) {
    this.#source = source;
    this.#sid = sid;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    this.#unwatch = await this.#source.watch(this.#sid, {
      change: (change) => {
        this.#apply(change);
        this.#listener.change(change);
      },
      // The store may be asked before changes are told again: what is here is not to be used until then.
      interrupted: (gap) => this.#doubt(gap, false),
      gap: (gap) => {
        this.#doubt(gap, true);
        this.#misses++;
        this.#listener.gap(gap);
      },
      absent: (name, uids) => {
        this.#leaves.left(name, uids, undefined);
        this.#drop(name, uids);
        this.#listener.absent(name, uids);
      },
    });
  }

  async stop(): Promise<void> {
    await this.#unwatch?.();
    this.#unwatch = undefined;
  }

  /** The members of a channel at `version` or newer: at once if they are here, else read first. Not to be kept or changed. */
  resolve(name: string, version: Version): ReadonlySet<string> | Promise<ReadonlySet<string>> {
    const copy = this.#copies.get(name);
    if (copy && !copy.stale && (copy.version === version || isAtLeast(copy.version, version))) return copy.uids;
    const underWay = this.#reads.get(name);
    return underWay ? this.#resolveAfter(underWay.done, name, version) : this.#read(name);
  }

  /** A read that was under way may have been answered before `version` was made; one that begins after it is not. */
  async #resolveAfter(earlierRead: Promise<unknown>, name: string, version: Version): Promise<ReadonlySet<string>> {
    await earlierRead;
    const copy = this.#copies.get(name);
    if (copy && !copy.stale && isAtLeast(copy.version, version)) return copy.uids;
    return this.#read(name);
  }

  /** The version of the copy of a channel, or undefined if there is none that can be relied on. */
  versionOf(name: string): Version | undefined {
    const copy = this.#copies.get(name);
    return copy?.stale === false ? copy.version : undefined;
  }

  has(name: string, uid: string): boolean {
    return this.#copies.get(name)?.uids.has(uid) ?? false;
  }

  /** Of one who is a member: how long ago it was heard that it had left, if it was of late, in milliseconds. */
  leftMsAgo(name: string, uid: string): number | undefined {
    return this.#leaves.leftMsAgo(name, uid);
  }

  /** Whether the last change that was heard of a user is that it has left. */
  hasLeft(name: string, uid: string): boolean {
    return this.#leaves.hasLeft(name, uid);
  }

  /** How many users are members of any channel here, as far as is known. */
  get userCount(): number {
    return this.#channelsByUid.size;
  }

  /** How many channels have members here, as far as is known. */
  get channelCount(): number {
    return this.#copies.size;
  }

  /** Whether a user is a member of any channel at this frontend, as far as is known. */
  isMember(uid: string): boolean {
    return this.#channelsByUid.has(uid);
  }

  /** The channels of a user at this frontend, as far as is known. */
  channelsOf(uid: string): string[] {
    return this.#channelsByUid.of(uid);
  }

  /** Every membership at this frontend, as far as is known. */
  memberships(): Membership[] {
    return [...this.#copies].flatMap(([name, { uids }]) => [...uids].map((uid) => ({ name, uid, sid: this.#sid })));
  }

  /** Resolves when every copy can be relied on: reads those that are stale, and those that are not known here. */
  async catchUp(): Promise<void> {
    while (this.#missesCaughtUp < this.#misses) {
      this.#catchingUp ??= this.#readStale().finally(() => (this.#catchingUp = undefined));
      await this.#catchingUp;
    }
  }

  async #readStale(): Promise<void> {
    const misses = this.#misses;
    const names = new Set(await this.#source.getChannelsBySid(this.#sid));
    for (const name of this.#copies.keys()) names.add(name);
    const wanted = [...names].filter((name) => this.versionOf(name) === undefined);
    for (const some of chunks(wanted, CATCH_UP_BATCH)) await Promise.all(some.map((name) => this.#read(name)));
    this.#missesCaughtUp = misses;
  }

  #doubt({ concerns = () => true, mayHaveLost = false }: ChangeGap = {}, isTold: boolean): void {
    for (const [name, copy] of this.#copies) {
      if (!concerns(name)) continue;
      copy.stale = true;
      copy.isTold = isTold;
      if (mayHaveLost) copy.doubtedAt ??= performance.now();
    }
    for (const [name, read] of this.#reads) read.missed ||= concerns(name);
  }

  #apply(change: MemberSetChange): void {
    const { name } = change;
    const read = this.#reads.get(name);
    // Of a read that hangs more and more would be kept: it begins again.
    if (read && read.changes.push(change) >= MAX_CHANGES) {
      read.missed = true;
      read.changes.length = 0;
    }
    const copy = this.#copies.get(name);
    this.#hear(change, copy);
    if (change.type === "clear") {
      this.#remove(name, copy?.uids ?? []);
    } else if (isVersioned(change)) {
      const next = follow(copy?.stale ? undefined : copy, change);
      if (next === "replaced")
        this.#install(name, { version: change.version, uids: new Set(change.uids), stale: false });
      if (next === "followed" && copy) this.#amend(name, copy, change);
      if (next === "missed") this.#guess(name, copy, change);
    }
  }

  #hear(change: MemberSetChange, copy: Copy | undefined): void {
    if (change.type === "clear") {
      this.#leaves.ended(change.name);
      if (copy) this.#leaves.left(change.name, copy.uids, nextVersion(copy.version));
    } else if (change.type === "leave" && change.reason === "leave") {
      this.#leaves.left(change.name, change.uids, change.version);
    } else if (change.type === "join" && change.reason === "join") {
      this.#leaves.joined(change.name, change.uids);
    }
  }

  /** These are no members, in spite of the copy that is here: the store may have lost them. */
  #drop(name: string, uids: readonly string[]): void {
    const copy = this.#copies.get(name);
    const wrong = uids.filter((uid) => copy?.uids.delete(uid));
    if (!copy || wrong.length === 0) return;
    for (const uid of wrong) this.#left(uid, name);
    copy.stale = true;
    this.#misses++;
  }

  /** Applies a change to a copy that is here. */
  #amend(name: string, copy: Copy, change: SetChange): void {
    amend(copy, change);
    for (const uid of change.uids) {
      if (change.type === "join") this.#joined(uid, name);
      else this.#left(uid, name);
    }
    if (copy.uids.size === 0) this.#copies.delete(name);
  }

  /** Notes a change whose forerunner was missed, as the best that is known. */
  #guess(name: string, copy: Copy | undefined, change: SetChange): void {
    const guess = copy ?? { version: change.version, uids: new Set<string>(), stale: true };
    guess.stale = true;
    this.#misses++;
    this.#copies.set(name, guess);
    this.#amend(name, guess, change);
  }

  #read(name: string): Promise<ReadonlySet<string>> {
    const underWay = this.#reads.get(name);
    if (underWay) return underWay.done;
    const read = {
      changes: [] as MemberSetChange[],
      missed: false,
      done: undefined as unknown as Promise<ReadonlySet<string>>,
    };
    this.#reads.set(name, read);
    read.done = (async () => {
      try {
        for (let reads = 0; reads < MAX_READS; reads++) {
          read.changes.length = 0;
          read.missed = false;
          const { version, uids } = await this.#source.readMemberSet(name, this.#sid);
          const copy = catchUpWith(version, uids, read.changes);
          if (copy !== "missed" && !read.missed) {
            this.#install(name, copy);
            return copy?.uids ?? new Set<string>();
          }
        }
        throw new Error(`changes of channel ${JSON.stringify(name)} are lost faster than it can be read`);
      } finally {
        this.#reads.delete(name);
      }
    })();
    return read.done;
  }

  /** Puts a copy in the place of the one that is here. */
  #install(name: string, copy: Copy | undefined): void {
    const before = this.#copies.get(name);
    const dropped = [...(before?.uids ?? [])].filter((uid) => !copy?.uids.has(uid));
    this.#remove(name, dropped);
    // The store has not gone back: a leave that it knows of is a later one than any that was heard of.
    if (before && copy && isAtLeast(copy.version, before.version)) this.#leaves.forget(name, dropped);
    if (dropped.length > 0) this.#listener.dropped(name, dropped, mayBeLost(before));
    if (copy && before && !before.isTold) copy.doubtedAt = before.doubtedAt;
    if (!copy) return;
    this.#copies.set(name, copy);
    const undone: string[] = [];
    for (const uid of copy.uids) {
      this.#joined(uid, name);
      if (!before?.uids.has(uid) && this.#leaves.isBeforeLeave(name, uid, copy.version)) undone.push(uid);
    }
    if (undone.length > 0) this.#listener.undone(name, undone);
  }

  #remove(name: string, uids: Iterable<string>): void {
    for (const uid of uids) this.#left(uid, name);
    this.#copies.delete(name);
  }

  #joined(uid: string, name: string): void {
    if (this.#channelsByUid.add(uid, name)) this.#listener.joined?.(uid, name);
  }

  #left(uid: string, name: string): void {
    if (this.#channelsByUid.delete(uid, name)) this.#listener.left?.(uid, name);
  }
}

/** Whether a store may have lost what was here, and knows still who was told to leave since that is in doubt. */
function mayBeLost(copy: Copy | undefined): boolean {
  return copy?.doubtedAt !== undefined && performance.now() - copy.doubtedAt < MAX_DOUBT_MS;
}

/** A change that made a version. */
type SetChange = Exclude<MemberSetChange, { type: "clear" }> & { version: Version };

/** `leave` changes without a version follow a `clear`, which has said it all. */
function isVersioned(change: Exclude<MemberSetChange, { type: "clear" }>): change is SetChange {
  return change.version !== undefined;
}

/**
 * What a change means for a copy (undefined: none that can be relied on).
 * `known`: it is in the copy; `followed`: it is the next one; `replaced`: it began the set anew; `missed`: there was another
 * change before it that never came.
 */
function follow(copy: Copy | undefined, change: SetChange): "known" | "followed" | "replaced" | "missed" {
  if (copy && isAtLeast(copy.version, change.version)) return "known";
  if (change.type === "join" && isFirst(change.version)) return "replaced";
  return copy && nextVersion(copy.version) === change.version ? "followed" : "missed";
}

function amend(copy: Copy, change: SetChange): void {
  copy.version = change.version;
  for (const uid of change.uids) {
    if (change.type === "join") copy.uids.add(uid);
    else copy.uids.delete(uid);
  }
}

/**
 * Applies the changes that came while a set was read to what was read. Only changes of the epoch that was read can be: nothing
 * says whether those of another one are older or newer.
 */
function catchUpWith(
  version: Version | undefined,
  uids: string[],
  changes: readonly MemberSetChange[],
): Copy | undefined | "missed" {
  const copy: Copy | undefined = version === undefined ? undefined : { version, uids: new Set(uids), stale: false };
  for (const change of changes) {
    if (change.type === "clear") return "missed";
    if (!isVersioned(change)) continue;
    const next = copy ? follow(copy, change) : "missed";
    if (!copy || next === "missed" || next === "replaced") return "missed";
    if (next === "followed") amend(copy, change);
  }
  return copy?.uids.size === 0 ? undefined : copy;
}
