import { chunks } from "../batches.js";
import { addMany } from "../bulk.js";
import type { ChannelManager } from "../types.js";
import type { Lease } from "./lease.js";
import { UserChannels } from "./user-channels.js";

interface RestorationOptions {
  manager: ChannelManager;
  sid: string;
  lease: Pick<Lease, "isValid">;
  /** How long ago it was heard that one who is known as a member had left. */
  leftMsAgo: (name: string, uid: string) => number | undefined;
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
  #running: Promise<void> = Promise.resolve();
  /** Whether a run waits for its turn. */
  #isDue = false;
  #isStopped = false;

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

  /** The channel has ended: nobody is to be in it again. */
  destroyed(name: string): void {
    for (const one of [this.#lost, this.#writing]) for (const { uid } of one.all()) one.delete(uid, name);
    for (const suspects of this.#suspects) if (suspects.name === name) suspects.uids.clear();
  }

  /** The user has gone. */
  userLeft(uid: string): void {
    this.#lost.deleteAll(uid);
    this.#writing.deleteAll(uid);
  }

  /**
   * Writes what is lost, after what is being written already: nobody is written twice, as a leave may come in between.
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
    const { manager, sid, lease, leftMsAgo } = this.#options;
    // What is lost from now on may need another run.
    this.#isDue = false;
    for (const some of chunks(this.#lost.all(), BATCH)) {
      // Another incarnation may have the sid.
      if (this.#isStopped || !lease.isValid) return;
      // Who has left meanwhile is no longer among the lost.
      const batch = some
        .filter(({ uid, name }) => this.#lost.delete(uid, name))
        .map((one) => {
          const msAgo = leftMsAgo(one.name, one.uid);
          return { ...one, sid, ...(msAgo !== undefined && { leftMsAgo: msAgo }) };
        });
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

  /** Nothing is written from now on. Resolves when what is being written is. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Forgets what was long ago. */
  forget(): void {
    this.clearSuspects(performance.now() - MEMORY_MS);
  }
}
