import { BySet } from "../../member-sets.js";
import type { SendQueue } from "../../redis/send-queue.js";
import type { JoinReason, LeaveReason, RestoredMembership, Version } from "../../types.js";

/** One change of a member set. */
export interface SetChange {
  type: "join" | "leave";
  reason: JoinReason | LeaveReason;
  /** Nothing is changed while the set is at another version. */
  expected: Version | undefined;
  uids: string[];
  /** Of each that is restored, how many milliseconds ago its frontend heard that it had left; -1: it has not. */
  leftMsAgo?: number[];
}

/** What has become of a change: a digit for each uid, 1 if it changed anything for it; nothing if the set is at another version. */
type Outcome = string | Error;

interface Pending {
  change: SetChange;
  settle: (outcome: Outcome) => void;
}

/** What is to be changed in one set. */
export interface SetChanges {
  readonly name: string;
  readonly sid: string;
  /** In the order in which they are made. */
  readonly changes: readonly { readonly change: SetChange }[];
}

interface PendingSet extends SetChanges {
  readonly changes: Pending[];
  /** The last change, if single uids may still join it. */
  open?: { change: SetChange; digits: Promise<string> } | undefined;
}

function noChanges(name: string, sid: string): PendingSet {
  return { name, sid, changes: [] };
}

/** Changes that go together. */
interface Batch {
  /** The changes at a frontend stay together, so that it is told of them in as few messages as can be. */
  readonly sets: BySet<PendingSet>;
  readonly send: () => Promise<unknown>;
}

interface PendingChangesOptions {
  /** Says when to send. */
  queue: SendQueue;
  /** Makes the changes of sets that are different ones. Resolves the outcomes, set by set. */
  send(sets: readonly SetChanges[]): Promise<readonly Outcome[]>;
  /** How many uids go into one change, unless it has an expected version. */
  maxUids: number;
}

/**
 * What a set costs, and a change of it, where each uid costs 1; and how much goes into one script call: that takes Redis about
 * 1 ms.
 */
const SET_SIZE = 8;
const CHANGE_SIZE = 3;
const MAX_SIZE = 550;

/**
 * Sends the changes together that are called for within a tick, or while others are under way. The adds to a set that are called
 * for one by one are one change, and the leaves. The order of the calls holds for each set and, on one server, between changes and pushes; those of
 * different sets may be told of in another order.
 */
export class PendingChanges {
  readonly #options: PendingChangesOptions;
  #batch: Batch | undefined;

  constructor(options: PendingChangesOptions) {
    this.#options = options;
  }

  /** Changes a set for one uid. Resolves whether that changed anything. */
  async one(type: SetChange["type"], name: string, sid: string, uid: string): Promise<boolean> {
    const set = this.#setOf(name, sid);
    if (set.open?.change.type !== type || set.open.change.uids.length === this.#options.maxUids) {
      const change: SetChange = { type, reason: type, expected: undefined, uids: [] };
      const digits = new Promise<string>((resolve, reject) => {
        const settle = (outcome: Outcome): void => {
          if (typeof outcome === "string") resolve(outcome);
          else reject(outcome);
        };
        set.changes.push({ change, settle });
      });
      set.open = { change, digits };
    }
    const { change, digits } = set.open;
    const place = change.uids.push(uid) - 1;
    return (await digits)[place] === "1";
  }

  /**
   * Makes memberships begin or end, also when some of them fail. Resolves how many that changed.
   * @param expected nothing is changed in a set that is at another version
   */
  many(
    type: SetChange["type"],
    memberships: readonly RestoredMembership[],
    reason: SetChange["reason"],
    expected?: Version,
  ): Promise<number> {
    // What one change makes of the version must not keep the next one from its set: this one is never split.
    const maxUids = expected === undefined ? this.#options.maxUids : Infinity;
    return new Promise((resolve, reject) => {
      let left = 0;
      let changed = 0;
      // One function for all: a promise for each set would cost more than the rest.
      const settle = (outcome: Outcome): void => {
        if (typeof outcome !== "string") reject(outcome);
        else changed += ones(outcome);
        if (--left === 0) resolve(changed);
      };
      for (const { name, sid, uid, leftMsAgo = -1 } of memberships) {
        const set = this.#setOf(name, sid);
        // What comes later must not get into a change before this one.
        set.open = undefined;
        // The change that this call has made in the set, if there is one.
        let last = set.changes.at(-1);
        if (last?.settle !== settle || last.change.uids.length === maxUids) {
          last = { change: { type, reason, expected, uids: [] }, settle };
          set.changes.push(last);
          left++;
        }
        last.change.uids.push(uid);
        if (reason === "restored") (last.change.leftMsAgo ??= []).push(Math.floor(leftMsAgo));
      }
      if (left === 0) resolve(0);
    });
  }

  #setOf(name: string, sid: string): PendingSet {
    const { queue } = this.#options;
    if (!this.#batch || !queue.isLast(this.#batch.send)) {
      const batch: Batch = { sets: new BySet(noChanges), send: () => this.#sendAll(batch) };
      queue.defer(batch.send);
      this.#batch = batch;
    }
    return this.#batch.sets.get(name, sid);
  }

  #sendAll({ sets }: Batch): Promise<unknown> {
    const calls: PendingSet[][] = [];
    let room = 0;
    // A set counts in each call that it is in, which `chunksBySize` does not know.
    for (const { name, sid, changes } of sets.all()) {
      let part: PendingSet | undefined;
      for (const pending of changes) {
        const size = CHANGE_SIZE + pending.change.uids.length;
        if (size + (part ? 0 : SET_SIZE) > room) {
          calls.push([]);
          room = MAX_SIZE;
          part = undefined;
        }
        if (!part) {
          part = noChanges(name, sid);
          calls.at(-1)!.push(part);
          room -= SET_SIZE;
        }
        part.changes.push(pending);
        room -= size;
      }
    }
    return Promise.all(calls.map((some) => this.#send(some)));
  }

  async #send(sets: readonly PendingSet[]): Promise<void> {
    const pending = sets.flatMap(({ changes }) => changes);
    try {
      const outcomes = await this.#options.send(sets);
      pending.forEach(({ settle }, index) => settle(outcomes[index]!));
    } catch (error) {
      for (const { settle } of pending) settle(error as Error);
    }
  }
}

/** How many digits say that something has changed. */
function ones(digits: string): number {
  let count = 0;
  for (const digit of digits) if (digit === "1") count++;
  return count;
}
