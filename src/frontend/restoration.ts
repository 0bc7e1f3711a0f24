import { chunks } from "../batches.js";
import { addMany, leaveMany } from "../bulk.js";
import { pairKey } from "../member-sets.js";
import type { ChannelManager, JoinReason, Membership } from "../types.js";
import type { Lease } from "./lease.js";
import { UserChannels } from "./user-channels.js";

interface RestorationOptions {
  manager: ChannelManager;
  sid: string;
  lease: Pick<Lease, "isValid">;
  report: (error: unknown) => void;
}

/** How many memberships are written in one call when many have to be. */
export const BATCH = 1000;
/** For how long what has just happened is kept in mind, in milliseconds: longer than calls that are under way take. */
export const MEMORY_MS = 10_000;

/** The memberships at this frontend that the store has lost, and that are to be written again. */
export class Restoration {
  readonly #options: RestorationOptions;
  readonly #lost = new UserChannels();
  /** Those that are being written: they may be lost anew before the answer comes. */
  readonly #writing = new UserChannels();
  /** Memberships that have vanished without a word, and when: if the store turns out to be empty, it has lost them. */
  readonly #suspects: { name: string; uids: Set<string>; at: number }[] = [];
  /** Memberships that somebody has ended though the store did not have them, by channel and uid, and when. */
  readonly #absent = new Map<string, number>();
  /** Memberships that were written though somebody had ended them. */
  #overtaken: Membership[] = [];
  #running: Promise<void> = Promise.resolve();
  /** Whether a run waits for its turn. */
  #isDue = false;

  constructor(options: RestorationOptions) {
    this.#options = options;
  }

  lose(name: string, uid: string): void {
    this.#lost.add(uid, name);
  }

  suspect(name: string, uids: readonly string[]): void {
    this.#suspects.push({ name, uids: new Set(uids), at: performance.now() });
  }

  /** The store is empty. */
  loseSuspects(): void {
    for (const { name, uids } of this.#suspects.splice(0)) {
      for (const uid of uids) this.lose(name, uid);
    }
  }

  /** The store was not empty then: who had vanished before has left. */
  clearSuspects(before: number): void {
    while (this.#suspects[0] && this.#suspects[0].at <= before) this.#suspects.shift();
  }

  /** These memberships have ended: there is nothing to write again. */
  left(name: string, uids: readonly string[]): void {
    for (const uid of uids) {
      this.#lost.delete(uid, name);
      this.#writing.delete(uid, name);
      for (const suspects of this.#suspects) if (suspects.name === name) suspects.uids.delete(uid);
    }
  }

  /** The user has gone. */
  userLeft(uid: string): void {
    this.#lost.take(uid);
    this.#writing.take(uid);
  }

  /** Somebody has ended memberships that the store does not have: it may have lost them, and they are not to come back. */
  absent(name: string, uids: readonly string[]): void {
    this.left(name, uids);
    for (const uid of uids) {
      const key = pairKey(name, uid);
      // To the end: they are in the order of their times.
      this.#absent.delete(key);
      this.#absent.set(key, performance.now());
    }
  }

  /** Looks at a join for members who were ended while they were being written again. */
  joined(name: string, uids: readonly string[], reason: JoinReason): void {
    if (this.#absent.size === 0) return;
    const { sid, lease, report } = this.#options;
    const ended = uids.filter((uid) => this.#absent.delete(pairKey(name, uid)));
    if (reason !== "restored") return;
    for (const uid of ended) this.#overtaken.push({ name, uid, sid });
    // Else another incarnation may have restored its own.
    if (lease.isValid) this.#endOvertaken().catch(report);
  }

  /**
   * Writes what is lost, after what is being written already: twice, it could undo a leave in between.
   * @throws what the manager does: the rest stays lost
   */
  run(): Promise<void> {
    const run = this.#running.then(() => this.#write());
    this.#running = run.catch(() => {});
    return run;
  }

  /** The same, now; what fails, or comes while the lease is not valid, is done with the next run. */
  runSoon(): void {
    const { lease, report } = this.#options;
    if (this.#isDue || !lease.isValid) return;
    this.#isDue = true;
    this.run().catch(report);
  }

  async #write(): Promise<void> {
    const { manager, sid, lease } = this.#options;
    // What is lost from now on may need another run.
    this.#isDue = false;
    await this.#endOvertaken();
    for (const some of chunks(this.#lost.all(), BATCH)) {
      // Another incarnation may have the sid.
      if (!lease.isValid) return;
      // Who has left meanwhile is no longer among the lost.
      const batch = some.filter(({ uid, name }) => this.#lost.delete(uid, name)).map((one) => ({ ...one, sid }));
      for (const { uid, name } of batch) this.#writing.add(uid, name);
      try {
        await addMany(manager, batch, "restored");
        for (const { uid, name } of batch) this.#writing.delete(uid, name);
      } catch (error) {
        for (const { uid, name } of batch) if (this.#writing.delete(uid, name)) this.lose(name, uid);
        throw error;
      }
    }
  }

  async #endOvertaken(): Promise<void> {
    const memberships = this.#overtaken;
    this.#overtaken = [];
    try {
      await leaveMany(this.#options.manager, memberships, "leave");
    } catch (error) {
      this.#overtaken.push(...memberships);
      throw error;
    }
  }

  /** Forgets what was long ago. */
  forget(): void {
    const before = performance.now() - MEMORY_MS;
    this.clearSuspects(before);
    for (const [key, at] of this.#absent) {
      if (at > before) break;
      this.#absent.delete(key);
    }
  }
}
