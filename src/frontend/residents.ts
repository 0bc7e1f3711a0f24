import { setTimeout as sleep } from "node:timers/promises";
import { chunks } from "../batches.js";
import { leaveMany } from "../bulk.js";
import type { ChangeGap, ChannelManager, FrontendInfo, LeaseState, LeaveReason, MemberSetChange } from "../types.js";
import type { Lease } from "./lease.js";
import type { Mirror } from "./mirror.js";
import { BATCH, MEMORY_MS, Restoration } from "./restoration.js";
import { UserChannels } from "./user-channels.js";
import { UserSessions } from "./user-sessions.js";

interface ResidentsOptions {
  manager: ChannelManager;
  frontend: FrontendInfo;
  mirror: Mirror | undefined;
  /** Whether users without a session here leave their channels. */
  autoLeave: boolean;
  lease: Pick<Lease, "isValid">;
  report: (error: unknown) => void;
}

/** How often, and how soon again, it is tried to take out who has left, while others change the set. */
const LEAVE_ATTEMPTS = 20;
const LEAVE_AGAIN_MS = 50;

/** For how long it is kept in mind who has come, in milliseconds: until a cluster with its default time-outs has failed over. */
const ARRIVAL_MEMORY_MS = 60_000;

/** Channels of which it is not known whether a user has left them. */
interface Doubt {
  readonly names: Set<string>;
  /** How many calls that take the user out of them are under way. */
  underWay: number;
}

/**
 * The users who have sessions at this frontend, and what the store should say of them. Where a write fails, it is made up
 * for at a later {@link reconcile}; so is what would have been written while the lease was not valid: another incarnation may
 * have the sid then, and what this one knows is not true of its users.
 */
export class Residents {
  readonly #manager: ChannelManager;
  readonly #frontend: FrontendInfo;
  readonly #mirror: Mirror | undefined;
  readonly #autoLeave: boolean;
  readonly #lease: Pick<Lease, "isValid">;
  readonly #report: (error: unknown) => void;
  readonly #sessions = new UserSessions();
  /** Users whose last write to the store failed. */
  readonly #unsettled = new Set<string>();
  /** Users whose first session has opened, and when. */
  readonly #arrived = new Map<string, number>();
  /** Users whose last session has closed, and when. */
  readonly #departed = new Map<string, number>();
  /** Users of whom it is not known whether they have left these channels. */
  readonly #inDoubt = new Map<string, Doubt>();
  /** Users who were back before their leave was done: the change that tells of it brings them back, unless it is missed. */
  readonly #returned = new UserChannels();
  #hasMissed = false;
  /** Users who have left these channels, and whom the store has lost that of. */
  readonly #undone = new UserChannels();
  readonly #restoration: Restoration;
  #wasTakenForDead = false;
  #evictsAll = false;

  constructor({ manager, frontend, mirror, autoLeave, lease, report }: ResidentsOptions) {
    this.#manager = manager;
    this.#frontend = frontend;
    this.#mirror = mirror;
    this.#autoLeave = autoLeave;
    this.#lease = lease;
    this.#report = report;
    this.#restoration = new Restoration({
      manager,
      sid: frontend.sid,
      lease,
      leftMsAgo: (name, uid) => mirror?.leftMsAgo(name, uid),
      report,
    });
  }

  /** Whether a user may be a member here: those without a session may not, unless they leave only when they are told to. */
  mayStay(uid: string): boolean {
    return !this.#autoLeave || this.#sessions.has(uid);
  }

  opened(uid: string): void {
    if (!this.#sessions.open(uid) || this.#evictsAll) return;
    this.#departed.delete(uid);
    this.#arrived.set(uid, performance.now());
    void this.#settle(uid);
  }

  closed(uid: string): void {
    if (!this.#sessions.close(uid) || this.#evictsAll) return;
    this.#returned.deleteAll(uid);
    this.#arrived.delete(uid);
    if (this.#autoLeave) this.#departed.set(uid, performance.now());
    void this.#settle(uid);
  }

  /** From now on users who leave are not written one by one: all of them will be evicted together. */
  leaveToEviction(): void {
    this.#evictsAll = true;
  }

  /** Nobody is written again from now on. Resolves when what is under way has ended. */
  idle(): Promise<void> {
    return this.#restoration.stop();
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
    if (change.type === "leave") this.#noticeLeave(change);
    else if (change.type === "join") this.#noticeJoin(change);
    else this.#restoration.destroyed(change.name);
  }

  /** Somebody has ended these memberships, or would have if the store had them: they do not come back. */
  ended(name: string, uids: readonly string[]): void {
    this.#noDoubt(name, uids);
    this.#restoration.left(name, uids);
  }

  /** Changes may have been missed. */
  missed({ mayHaveLost = false }: ChangeGap = {}): void {
    this.#hasMissed = true;
    // So may what was written of late.
    if (mayHaveLost) this.#unsettle([...this.#arrived.keys(), ...this.#departed.keys()]);
  }

  /** Members have vanished from the store though no change said that they left. */
  noticeDropped(name: string, uids: readonly string[], mayBeLost: boolean): void {
    if (!mayBeLost) {
      this.#restoration.suspect(name, uids);
      return;
    }
    for (const uid of uids) if (this.mayStay(uid)) this.#restoration.lose(name, uid);
    this.#restoration.runSoon();
  }

  /** The store has lost that these have left: they leave again. */
  noticeUndone(name: string, uids: readonly string[]): void {
    for (const uid of uids) this.#undone.add(uid, name);
    if (this.#lease.isValid) this.#leaveAgain().catch(this.#report);
  }

  async #leaveAgain(): Promise<void> {
    const uidsOf = new Map<string, string[]>();
    for (const { name, uid } of this.#undone.all()) {
      this.#undone.delete(uid, name);
      uidsOf.set(name, [...(uidsOf.get(name) ?? []), uid]);
    }
    await Promise.all([...uidsOf].map(([name, uids]) => this.#takeOutOrLater(name, uids)));
  }

  /** What fails is done after the next renewal of the lease. */
  async #takeOutOrLater(name: string, uids: readonly string[]): Promise<void> {
    let isDone = false;
    try {
      isDone = await this.#takeOut(name, uids);
    } finally {
      if (!isDone) for (const uid of uids) this.#undone.add(uid, name);
    }
  }

  /** Takes out who has left and has not joined since. Resolves whether that is done. */
  async #takeOut(name: string, uids: readonly string[]): Promise<boolean> {
    const mirror = this.#mirror!;
    for (let attempt = 0; attempt < LEAVE_ATTEMPTS; attempt++) {
      await mirror.catchUp();
      const version = mirror.versionOf(name);
      const back = uids.filter((uid) => mirror.has(name, uid) && mirror.hasLeft(name, uid));
      if (back.length === 0) return true;
      // Others may change the set at the same time.
      if (version && (await this.#manager.leaveIfUnchanged?.(name, this.#frontend.sid, back, version, "leave")))
        return true;
      await sleep(LEAVE_AGAIN_MS);
    }
    return false;
  }

  #noticeLeave({ name, uids, reason }: Extract<MemberSetChange, { type: "leave" }>): void {
    if (reason === "server-down") {
      // Somebody took this frontend for dead. It is not, so its members come back with the next renewal of the lease, and
      // what the store knows of its sessions.
      for (const uid of uids) if (this.mayStay(uid)) this.#restoration.lose(name, uid);
      this.#wasTakenForDead = true;
    } else if (reason === "disconnect") {
      this.#noDoubt(name, uids);
      // A leave that was on its way for long: who has a session again meanwhile is not to be taken out by it.
      const back = this.#evictsAll ? [] : uids.filter((uid) => this.#sessions.has(uid));
      for (const uid of back) this.#restoration.lose(name, uid);
      if (back.length > 0) this.#restoration.runSoon();
    } else {
      this.ended(name, uids);
    }
  }

  #noDoubt(name: string, uids: readonly string[]): void {
    if (this.#inDoubt.size > 0) for (const uid of uids) this.#inDoubt.get(uid)?.names.delete(name);
    if (this.#returned.size > 0) for (const uid of uids) this.#returned.delete(uid, name);
  }

  #noticeJoin({ uids, reason }: Extract<MemberSetChange, { type: "join" }>): void {
    const isRestored = reason === "restored";
    if (this.#evictsAll || (this.#departed.size === 0 && !isRestored)) return;
    // An add that was under way when the user's last session closed; or what an earlier incarnation has restored, and written late.
    for (const uid of uids) if (this.#departed.has(uid) || (isRestored && !this.mayStay(uid))) void this.#settle(uid);
  }

  /** Brings the store in line with this frontend, after its lease was renewed, which was asked for at a time of this process. */
  async reconcile(lease: Exclude<LeaseState, "taken">, askedAt: number): Promise<void> {
    if (lease === "missing") this.#loseEverything();
    else this.#restoration.clearSuspects(askedAt);
    if (lease !== "held" || this.#wasTakenForDead) this.#unsettle(this.#sessions.uids());
    this.#wasTakenForDead = false;
    try {
      await this.#relearn();
      await this.#restoration.run();
      await this.#leaveAgain();
    } finally {
      this.#forget();
    }
  }

  async #relearn(): Promise<void> {
    try {
      await this.#mirror?.catchUp();
      this.#restoreReturned();
      // Added just before their last session closed, while changes were missed.
      this.#unsettle([...this.#departed.keys()].filter((uid) => this.#mirror?.isMember(uid)));
    } finally {
      // A store that has just come back is not flooded.
      for (const some of chunks([...this.#unsettled], BATCH)) await Promise.all(some.map((uid) => this.#settle(uid)));
    }
  }

  #unsettle(uids: readonly string[]): void {
    for (const uid of uids) this.#unsettled.add(uid);
  }

  /** Makes the store say of a user what is true now. The writes are issued at once, so that they keep the order of calls. */
  async #settle(uid: string): Promise<void> {
    if (!this.#lease.isValid) {
      this.#unsettled.add(uid);
      return;
    }
    // What comes to be unsettled meanwhile stays so.
    this.#unsettled.delete(uid);
    try {
      await (this.#sessions.has(uid) ? this.#arrive(uid) : this.#depart(uid));
    } catch (error) {
      this.#unsettled.add(uid);
      this.#report(error);
    }
  }

  async #arrive(uid: string): Promise<void> {
    const { sid, incarnation } = this.#frontend;
    if (this.#manager.capabilities?.presence) await this.#manager.connect?.(uid, sid, incarnation);
    const doubt = this.#inDoubt.get(uid);
    if (!doubt || doubt.underWay > 0 || !this.#sessions.has(uid)) return;
    // It is back before it was known to have left: then it has never been away.
    this.#inDoubt.delete(uid);
    for (const name of doubt.names) this.#restoration.lose(name, uid);
    this.#restoration.runSoon();
  }

  async #depart(uid: string): Promise<void> {
    const { sid, incarnation } = this.#frontend;
    const doubt = this.#doubtOf(uid);
    const memberships = Array.from(doubt.names, (name) => ({ name, uid, sid }));
    doubt.underWay++;
    try {
      await Promise.all([
        leaveMany(this.#manager, memberships, "disconnect"),
        this.#manager.capabilities?.presence && this.#manager.disconnect?.(uid, sid, incarnation),
      ]);
    } finally {
      doubt.underWay--;
    }
    // Who is back has left all the same.
    if (this.#sessions.has(uid)) for (const name of doubt.names) this.#returned.add(uid, name);
    if (doubt.underWay === 0) this.#inDoubt.delete(uid);
  }

  /** Brings those back of whose leaves the changes were missed, once the mirror knows who is a member. */
  #restoreReturned(): void {
    if (!this.#hasMissed) return;
    this.#hasMissed = false;
    for (const { uid, name } of this.#returned.all()) {
      this.#returned.delete(uid, name);
      if (!this.#mirror?.has(name, uid)) this.#restoration.lose(name, uid);
    }
  }

  /** The channels that a user is to leave. */
  #doubtOf(uid: string): Doubt {
    const doubt = this.#inDoubt.get(uid) ?? { names: new Set(), underWay: 0 };
    if (!this.#autoLeave) return doubt;
    this.#restoration.userLeft(uid);
    for (const name of this.#mirror?.channelsOf(uid) ?? []) doubt.names.add(name);
    this.#inDoubt.set(uid, doubt);
    return doubt;
  }

  /** The store is empty: everything that is known here has to be written again. */
  #loseEverything(): void {
    for (const { name, uid } of this.#mirror?.memberships() ?? []) this.#restoration.lose(name, uid);
    this.#restoration.loseSuspects();
    for (const uid of this.#departed.keys()) this.#restoration.userLeft(uid);
  }

  #forget(): void {
    const before = performance.now() - MEMORY_MS;
    forgetBefore(this.#departed, before);
    forgetBefore(this.#arrived, performance.now() - ARRIVAL_MEMORY_MS);
    this.#restoration.forget();
  }
}

/** @param times in their order */
function forgetBefore(times: Map<string, number>, before: number): void {
  for (const [uid, at] of times) {
    if (at > before) break;
    times.delete(uid);
  }
}
