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
} from "../types.js";
import { ALL_CAPABILITIES } from "../capabilities.js";
import { reportError } from "../diagnostics.js";
import { atEdge, groupBySet } from "../member-sets.js";
import { ChangeListeners } from "./change-listeners.js";
import { firstVersion, nextVersion } from "../version.js";

interface MemberSet {
  name: string;
  sid: string;
  version: Version;
  uids: Set<string>;
}

/**
 * Keeps members in this process: for one-process clusters, development and tests. See {@link ChannelManager}.
 *
 * Every method completes at once; changes are told before the call that made them returns, unless a listener made it.
 */
export class MemoryChannelManager implements ChannelManager {
  readonly capabilities = ALL_CAPABILITIES;

  /** channel -> sid -> member set; no empty sets, no empty channels. */
  readonly #channels = new Map<string, Map<string, MemberSet>>();
  /** sid -> channels with members there. */
  readonly #channelsBySid = new Map<string, Set<string>>();
  /** uid -> the sets that it is in. */
  readonly #setsByUid = new Map<string, Set<MemberSet>>();
  /** uid -> sid -> incarnation at which the user has sessions. */
  readonly #sessions = new Map<string, Map<string, string>>();
  readonly #listeners = new ChangeListeners((error) => reportError(this, error));
  /** The change that is being told, and those that listeners have made meanwhile. */
  readonly #untold: MemberSetChange[] = [];

  clean(): void {
    this.#channels.clear();
    this.#channelsBySid.clear();
    this.#setsByUid.clear();
    this.#sessions.clear();
  }

  add(name: string, uid: string, sid: string): boolean {
    return this.#join(name, sid, [uid], "join") === 1;
  }

  leave(name: string, uid: string, sid: string): boolean {
    return this.#leave(name, sid, [uid], "leave") === 1;
  }

  getMembersBySid(name: string, sid: string): string[] {
    return [...(this.#set(name, sid)?.uids ?? [])];
  }

  destroyChannel(name: string): number {
    const sets = [...(this.#channels.get(name)?.values() ?? [])];
    for (const set of sets) {
      for (const uid of set.uids) this.#unindex(uid, set);
      this.#drop(name, set.sid);
    }
    // All at once, and when all of it is done: a listener may change the channel.
    this.#tell(
      ...sets.flatMap((set): MemberSetChange[] => [
        { type: "clear", name, sid: set.sid, ...(set === sets.at(-1) && { emptied: true }) },
        { type: "leave", name, sid: set.sid, version: undefined, uids: [...set.uids], reason: "destroyed" },
      ]),
    );
    return sum(sets, ({ uids }) => uids.size);
  }

  addMany(memberships: readonly Membership[], reason: JoinReason = "join"): number {
    return sum(groupBySet(memberships), ({ name, sid, uids }) => this.#join(name, sid, uids, reason));
  }

  leaveMany(memberships: readonly Membership[], reason: LeaveReason = "leave"): number {
    return sum(groupBySet(memberships), ({ name, sid, uids }) => this.#leave(name, sid, uids, reason));
  }

  findMember(name: string, uid: string): string[] {
    const sets = this.#channels.get(name) ?? [];
    return [...sets].filter(([, { uids }]) => uids.has(uid)).map(([sid]) => sid);
  }

  scanMembers(name: string, sid: string, cursor: string, limit: number): { uids: string[]; cursor: string } {
    // The cursor is the last uid of the page, not a position: positions shift when members leave between two pages.
    const uids = [...(this.#set(name, sid)?.uids ?? [])].toSorted();
    const start = cursor === "" ? 0 : uids.findIndex((uid) => uid > cursor);
    const page = start < 0 ? [] : uids.slice(start, start + limit);
    const last = page.at(-1);
    return { uids: page, cursor: last === undefined || last === uids.at(-1) ? "" : last };
  }

  getMemberSets(name: string, copies?: ReadonlyMap<string, Version | undefined>): MemberSetInfo[] {
    const sets = this.#channels.get(name) ?? [];
    return [...sets].map(([sid, { version, uids }]) => ({
      sid,
      version,
      count: uids.size,
      ...(copies?.has(sid) && copies.get(sid) !== version && { uids: [...uids] }),
    }));
  }

  readMemberSet(name: string, sid: string): { version: Version | undefined; uids: string[] } {
    const set = this.#set(name, sid);
    return { version: set?.version, uids: [...(set?.uids ?? [])] };
  }

  getChannelsBySid(sid: string): string[] {
    return [...(this.#channelsBySid.get(sid) ?? [])];
  }

  watch(sid: string, listener: ChangeListener): Unsubscribe {
    return this.#listeners.add(listener, sid);
  }

  watchAll(listener: ChangeListener): Unsubscribe {
    return this.#listeners.add(listener);
  }

  leaveIfUnchanged(
    name: string,
    sid: string,
    uids: readonly string[],
    version: Version,
    reason: LeaveReason = "disconnect",
  ): number {
    return this.#set(name, sid)?.version === version ? this.#leave(name, sid, uids, reason) : 0;
  }

  connect(uid: string, sid: string, incarnation: string): void {
    const places = this.#sessions.get(uid) ?? new Map<string, string>();
    this.#sessions.set(uid, places.set(sid, incarnation));
  }

  disconnect(uid: string, sid: string, incarnation: string): void {
    const places = this.#sessions.get(uid);
    if (places?.get(sid) !== incarnation) return;
    places.delete(sid);
    if (places.size === 0) this.#sessions.delete(uid);
  }

  getSessions(uids: readonly string[]): FrontendId[][] {
    return uids.map((uid) => [...(this.#sessions.get(uid) ?? [])].map(([sid, incarnation]) => ({ sid, incarnation })));
  }

  countUsers(sids: readonly string[]): number[] {
    const counts = new Map(sids.map((sid) => [sid, 0]));
    for (const places of this.#sessions.values()) {
      for (const sid of places.keys()) {
        const count = counts.get(sid);
        if (count !== undefined) counts.set(sid, count + 1);
      }
    }
    return sids.map((sid) => counts.get(sid) ?? 0);
  }

  getMembershipsByUid(uid: string, at?: string): Membership[] {
    const memberships = [...(this.#setsByUid.get(uid) ?? [])].map(({ name, sid }) => ({ name, uid, sid }));
    return at === undefined ? memberships : memberships.filter(({ sid }) => sid === at);
  }

  getServers(): string[] {
    return [...this.#channelsBySid.keys()];
  }

  evict({ sid }: FrontendId, reason: LeaveReason): number {
    for (const [uid, places] of this.#sessions) {
      places.delete(sid);
      if (places.size === 0) this.#sessions.delete(uid);
    }
    return sum(this.getChannelsBySid(sid), (name) => this.#leave(name, sid, this.getMembersBySid(name, sid), reason));
  }

  #join(name: string, sid: string, uids: readonly string[], reason: JoinReason): number {
    if (uids.length === 0) return 0;
    const isCreated = !this.#channels.has(name);
    let set = this.#set(name, sid);
    if (set) {
      set.version = nextVersion(set.version);
    } else {
      set = { name, sid, version: firstVersion(), uids: new Set() };
      const sets = this.#channels.get(name) ?? new Map<string, MemberSet>();
      this.#channels.set(name, sets.set(sid, set));
      const channels = this.#channelsBySid.get(sid) ?? new Set();
      this.#channelsBySid.set(sid, channels.add(name));
    }
    const joined = uids.filter((uid) => !set.uids.has(uid) && set.uids.add(uid));
    for (const uid of joined) this.#setsByUid.set(uid, (this.#setsByUid.get(uid) ?? new Set()).add(set));
    const change: MemberSetChange = { type: "join", name, sid, version: set.version, uids: joined, reason };
    this.#tell(isCreated ? atEdge(change) : change);
    return joined.length;
  }

  #leave(name: string, sid: string, uids: readonly string[], reason: LeaveReason): number {
    const set = this.#set(name, sid);
    const left = set ? uids.filter((uid) => set.uids.delete(uid)) : [];
    if (!set || left.length === 0) return 0;
    for (const uid of left) this.#unindex(uid, set);
    set.version = nextVersion(set.version);
    if (set.uids.size === 0) this.#drop(name, sid);
    const change: MemberSetChange = { type: "leave", name, sid, version: set.version, uids: left, reason };
    this.#tell(this.#channels.has(name) ? change : atEdge(change));
    return left.length;
  }

  #set(name: string, sid: string): MemberSet | undefined {
    return this.#channels.get(name)?.get(sid);
  }

  #unindex(uid: string, set: MemberSet): void {
    const sets = this.#setsByUid.get(uid);
    sets?.delete(set);
    if (sets?.size === 0) this.#setsByUid.delete(uid);
  }

  #drop(name: string, sid: string): void {
    const sets = this.#channels.get(name);
    sets?.delete(sid);
    if (sets?.size === 0) this.#channels.delete(name);
    const channels = this.#channelsBySid.get(sid);
    channels?.delete(name);
    if (channels?.size === 0) this.#channelsBySid.delete(sid);
  }

  #tell(...changes: MemberSetChange[]): void {
    const isTelling = this.#untold.length > 0;
    this.#untold.push(...changes);
    // A listener has made them, who was told of another one: the others are told of that one first.
    if (isTelling) return;
    for (let next = this.#untold[0]; next; this.#untold.shift(), next = this.#untold[0]) {
      this.#listeners.tell(next);
    }
  }
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
