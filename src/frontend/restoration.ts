import { chunks } from "../batches.js";
import { addMany, leaveMany } from "../bulk.js";
import { pairKey } from "../member-sets.js";
import type { ChannelManager, JoinReason } from "../types.js";
import type { Lease } from "./lease.js";

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
  /** uid -> channels. */
  readonly #lost = new Map<string, Set<string>>();
  /** Memberships that have vanished without a word, and when: if the store turns out to be empty, it has lost them. */
  readonly #suspects: { name: string; uids: Set<string>; at: number }[] = [];
  /** Memberships that somebody has ended though the store did not have them, by channel and uid, and when. */
  readonly #absent = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();
  /** Whether a run waits for its turn. */
  #isDue = false;

  constructor(options: RestorationOptions) {
    this.#options = options;
  }

  lose(name: string, uid: string): void {
    const names = this.#lost.get(uid);
    if (names) names.add(name);
    else this.#lost.set(uid, new Set([name]));
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
      this.#written(name, uid);
      for (const suspects of this.#suspects) if (suspects.name === name) suspects.uids.delete(uid);
    }
  }

  /** The user has gone. */
  userLeft(uid: string): void {
    this.#lost.delete(uid);
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
    const ended = uids.filter((uid) => this.#absent.delete(pairKey(name, uid)));
    const { manager, sid, lease, report } = this.#options;
    // Without a valid lease another incarnation may have restored its own.
    if (reason !== "restored" || ended.length === 0 || !lease.isValid) return;
    const memberships = ended.map((uid) => ({ name, uid, sid }));
    leaveMany(manager, memberships, "leave").catch(report);
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
    const { manager, sid } = this.#options;
    // What is lost from now on may need another run.
    this.#isDue = false;
    const memberships = [...this.#lost].flatMap(([uid, names]) => [...names].map((name) => ({ name, uid, sid })));
    for (const some of chunks(memberships, BATCH)) {
      // Who has left meanwhile is no longer among the lost.
      const batch = some.filter(({ name, uid }) => this.#lost.get(uid)?.has(name));
      if (batch.length > 0) await addMany(manager, batch, "restored");
      for (const { name, uid } of batch) this.#written(name, uid);
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

  #written(name: string, uid: string): void {
    const names = this.#lost.get(uid);
    names?.delete(name);
    if (names?.size === 0) this.#lost.delete(uid);
  }
}
