import { chunks } from "../batches.js";
import { addMany, leaveMany } from "../bulk.js";
import type { ChannelManager, FrontendInfo, LeaseState, LeaveReason, MemberSetChange } from "../types.js";
import type { Mirror } from "./mirror.js";
import { UserSessions } from "./user-sessions.js";

interface ResidentsOptions {
  manager: ChannelManager;
  frontend: FrontendInfo;
  mirror: Mirror | undefined;
  /** Whether users without a session here leave their channels. */
  autoLeave: boolean;
  report: (error: unknown) => void;
}

/** How many memberships are written in one call when many have to be. */
const BATCH = 1000;
/** For how long what has just happened is kept in mind, in milliseconds: longer than calls that are under way take. */
const MEMORY_MS = 10_000;

/**
 * The users who have sessions at this frontend, and what the store should say of them. Where a write fails, it is made up
 * for at a later {@link reconcile}.
 */
export class Residents {
  readonly #manager: ChannelManager;
  readonly #frontend: FrontendInfo;
  readonly #mirror: Mirror | undefined;
  readonly #autoLeave: boolean;
  readonly #report: (error: unknown) => void;
  readonly #sessions = new UserSessions();
  /** Users whose last write to the store failed. */
  readonly #unsettled = new Set<string>();
  /** Users whose last session has closed, and when. */
  readonly #departed = new Map<string, number>();
  /** Memberships that have vanished without a word, and when: if the store turns out to be empty, it has lost them. */
  readonly #suspects: { name: string; uids: readonly string[]; at: number }[] = [];
  /** uid -> channels: memberships that the store has lost, to be written again. */
  readonly #lost = new Map<string, Set<string>>();
  #evictsAll = false;

  constructor({ manager, frontend, mirror, autoLeave, report }: ResidentsOptions) {
    this.#manager = manager;
    this.#frontend = frontend;
    this.#mirror = mirror;
    this.#autoLeave = autoLeave;
    this.#report = report;
  }

  /** Whether a user may be a member here: those without a session may not, unless they leave only when they are told to. */
  mayStay(uid: string): boolean {
    return !this.#autoLeave || this.#sessions.has(uid);
  }

  opened(uid: string): void {
    if (!this.#sessions.open(uid) || this.#evictsAll) return;
    this.#departed.delete(uid);
    void this.#settle(uid);
  }

  closed(uid: string): void {
    if (!this.#sessions.close(uid) || this.#evictsAll) return;
    if (this.#autoLeave) this.#departed.set(uid, performance.now());
    void this.#settle(uid);
  }

  /** From now on users who leave are not written one by one: all of them will be evicted together. */
  leaveToEviction(): void {
    this.#evictsAll = true;
  }

  /** Takes every member here out: for managers that cannot evict. Without `versions` nobody knows who they are. */
  async leaveAll(reason: LeaveReason): Promise<void> {
    if (!this.#manager.capabilities?.versions) return;
    const { sid } = this.#frontend;
    // As the store has it: changes may not have been told of yet.
    for (const name of (await this.#manager.getChannelsBySid?.(sid)) ?? []) {
      const uids = await this.#manager.getMembersBySid(name, sid);
      for (const some of chunks(uids, BATCH)) {
        const batch = some.map((uid) => ({ name, uid, sid }));
        await leaveMany(this.#manager, batch, reason);
      }
    }
  }

  /** Looks at a change of this frontend's member sets for what must not stand. */
  noticeChange(change: MemberSetChange): void {
    if (change.type === "leave" && change.reason === "server-down") {
      // Somebody took this frontend for dead. It is not, so its members come back with the next renewal of the lease.
      for (const uid of change.uids) {
        if (this.mayStay(uid)) this.#lose(change.name, uid);
      }
    } else if (change.type === "join" && this.#departed.size > 0) {
      // An add that was under way when the user's last session closed.
      for (const uid of change.uids) {
        if (this.#departed.has(uid)) void this.#settle(uid);
      }
    }
  }

  /** Notes members who have vanished from the store though no change said that they left. */
  suspect(name: string, uids: readonly string[]): void {
    this.#suspects.push({ name, uids, at: performance.now() });
  }

  /** Brings the store in line with this frontend, after its lease was renewed. */
  async reconcile(lease: Exclude<LeaseState, "taken">): Promise<void> {
    if (lease === "missing") this.#loseEverything();
    if (lease !== "held") this.#unsettle(this.#sessions.uids());
    await this.#mirror?.catchUp();
    // Added just before their last session closed, while changes were missed.
    this.#unsettle([...this.#departed.keys()].filter((uid) => this.#mirror?.isMember(uid)));
    // A store that has just come back is not flooded.
    for (const some of chunks([...this.#unsettled], BATCH)) await Promise.all(some.map((uid) => this.#settle(uid)));
    await this.#restore();
    this.#forget();
  }

  #unsettle(uids: readonly string[]): void {
    for (const uid of uids) this.#unsettled.add(uid);
  }

  /** Makes the store say of a user what is true now. The writes are issued at once, so that they keep the order of calls. */
  async #settle(uid: string): Promise<void> {
    try {
      await (this.#sessions.has(uid) ? this.#arrive(uid) : this.#depart(uid));
      this.#unsettled.delete(uid);
    } catch (error) {
      this.#unsettled.add(uid);
      this.#report(error);
    }
  }

  async #arrive(uid: string): Promise<void> {
    const { sid, incarnation } = this.#frontend;
    if (this.#manager.capabilities?.presence) await this.#manager.connect?.(uid, sid, incarnation);
  }

  async #depart(uid: string): Promise<void> {
    const { sid, incarnation } = this.#frontend;
    if (this.#autoLeave) this.#lost.delete(uid);
    const names = (this.#autoLeave && this.#mirror?.channelsOf(uid)) || [];
    const memberships = names.map((name) => ({ name, uid, sid }));
    await Promise.all([
      memberships.length > 0 && leaveMany(this.#manager, memberships, "disconnect"),
      this.#manager.capabilities?.presence && this.#manager.disconnect?.(uid, sid, incarnation),
    ]);
  }

  #lose(name: string, uid: string): void {
    const names = this.#lost.get(uid);
    if (names) names.add(name);
    else this.#lost.set(uid, new Set([name]));
  }

  /** The store is empty: everything that is known here has to be written again. */
  #loseEverything(): void {
    for (const { name, uid } of this.#mirror?.memberships() ?? []) this.#lose(name, uid);
    for (const { name, uids } of this.#suspects.splice(0)) {
      for (const uid of uids) this.#lose(name, uid);
    }
    for (const uid of this.#departed.keys()) this.#lost.delete(uid);
  }

  async #restore(): Promise<void> {
    const { sid } = this.#frontend;
    const memberships = [...this.#lost].flatMap(([uid, names]) => [...names].map((name) => ({ name, uid, sid })));
    for (const some of chunks(memberships, BATCH)) {
      // Who has left meanwhile is no longer among the lost.
      const batch = some.filter(({ name, uid }) => this.#lost.get(uid)?.has(name));
      await addMany(this.#manager, batch, "restored");
      for (const { name, uid } of batch) {
        const names = this.#lost.get(uid);
        names?.delete(name);
        if (names?.size === 0) this.#lost.delete(uid);
      }
    }
  }

  #forget(): void {
    const before = performance.now() - MEMORY_MS;
    for (const [uid, at] of this.#departed) {
      if (at > before) break;
      this.#departed.delete(uid);
    }
    while (this.#suspects[0] && this.#suspects[0].at <= before) this.#suspects.shift();
  }
}
