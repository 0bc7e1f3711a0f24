import { setKey } from "../member-sets.js";
import type { Version } from "../types.js";
import { isAtLeast } from "../version.js";
import { RecentMap } from "./recent-map.js";

/** For how long a leave is kept in mind, in milliseconds: a little longer than stores keep who was told to leave. */
const MEMORY_MS = 65_000;
/** How many are at most. */
const MAX_LEAVES = 100_000;

interface HeardLeave {
  at: number;
  /** The version that it made; undefined where there was no member. */
  version: Version | undefined;
  isBack: boolean;
}

/**
 * Who was told to leave of late, as far as a frontend has heard: a store that loses its last changes, as it fails over, knows nothing
 * of it, or still knows of a leave that was made up for since.
 */
export class HeardLeaves {
  readonly #leaves = new RecentMap<string, HeardLeave>(MEMORY_MS, MAX_LEAVES);
  /** When channels have ended. */
  readonly #ends = new RecentMap<string, number>(MEMORY_MS, MAX_LEAVES);

  left(name: string, uids: Iterable<string>, version: Version | undefined): void {
    for (const uid of uids) {
      const key = setKey(name, uid);
      const before = this.#leaves.get(key);
      // Of one who has left already, the leave that was the last one counts.
      const leftAt = version ?? (before?.isBack ? undefined : before?.version);
      this.#leaves.set(key, { at: performance.now(), version: leftAt, isBack: false });
    }
  }

  joined(name: string, uids: Iterable<string>): void {
    if (this.#leaves.isEmpty) return;
    for (const uid of uids) {
      const leave = this.#leaves.get(setKey(name, uid));
      if (leave) leave.isBack = true;
    }
  }

  /** Nothing is known any more of when these have left. */
  forget(name: string, uids: readonly string[]): void {
    if (!this.#leaves.isEmpty) for (const uid of uids) this.#leaves.delete(setKey(name, uid));
  }

  /** Whether the last that was heard of a user is that it has left. */
  hasLeft(name: string, uid: string): boolean {
    return this.#leaves.get(setKey(name, uid))?.isBack === false;
  }

  /** The channel has ended for everyone. */
  ended(name: string): void {
    this.#ends.set(name, performance.now());
  }

  /** Of one who is a member now: how long ago it was last told to leave, or the channel ended, in milliseconds. */
  leftMsAgo(name: string, uid: string): number | undefined {
    const at = Math.max(this.#leaves.get(setKey(name, uid))?.at ?? -Infinity, this.#ends.get(name) ?? -Infinity);
    return at === -Infinity ? undefined : performance.now() - at;
  }

  /** Whether a version of the member set is one from before the user's leave. */
  isBeforeLeave(name: string, uid: string, version: Version): boolean {
    if (this.#leaves.isEmpty) return false;
    const left = this.#leaves.get(setKey(name, uid))?.version;
    return left !== undefined && left !== version && isAtLeast(left, version);
  }
}
