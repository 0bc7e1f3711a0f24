import { chunksBySize } from "../../batches.js";
import { setKey } from "../../member-sets.js";
import type { RedisConnection } from "../../redis/connection.js";
import type { JoinReason, LeaveReason, Version } from "../../types.js";

/** One change of one member set. */
export interface SetChange {
  type: "join" | "leave";
  name: string;
  sid: string;
  reason: JoinReason | LeaveReason;
  /** Nothing is changed while the set is at another one. */
  expected?: Version;
  uids: string[];
}

/** What has become of a change: a digit for each uid, 1 if it changed anything for it; nothing if the set is at another version. */
type Outcome = string | Error;

interface Pending {
  change: SetChange;
  settle: (outcome: Outcome) => void;
}

/** What is to be changed in one set. */
interface PendingSet {
  changes: Pending[];
  /** The last change, if single uids may still join it. */
  open?: { change: SetChange; digits: Promise<string> } | undefined;
}

/** Changes that go together. */
interface Batch {
  readonly sets: Map<string, PendingSet>;
  readonly send: () => Promise<unknown>;
}

interface PendingChangesOptions {
  /** Says when to send. */
  queue: Pick<RedisConnection, "defer" | "isLast">;
  /** Makes the changes, of which those of one set follow each other. */
  send(changes: readonly SetChange[]): Promise<readonly Outcome[]>;
  /** How many uids go into one change. */
  maxUids: number;
}

/**
 * What a set costs, and a change of it, where each uid costs 1; and how much goes into one script call: that takes Redis about
 * 2 ms.
 */
const SET_SIZE = 8;
const CHANGE_SIZE = 3;
const MAX_SIZE = 1100;

/**
 * Sends the changes together that are called for within a tick, or while others are under way. The adds to a set that are called
 * for one by one are one change, and the leaves. The order of the calls holds for each set, and between changes and pushes; those of
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
      const change: SetChange = { type, name, sid, reason: type, uids: [] };
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

  /** Changes sets, also when one of them fails. Resolves for how many uids that changed anything. */
  many(changes: readonly SetChange[]): Promise<number> {
    return new Promise((resolve, reject) => {
      let left = changes.length;
      let changed = 0;
      // One function for all: a promise for each set would cost more than the rest.
      const settle = (outcome: Outcome): void => {
        if (typeof outcome !== "string") reject(outcome);
        else changed += ones(outcome);
        if (--left === 0) resolve(changed);
      };
      for (const change of changes) {
        const set = this.#setOf(change.name, change.sid);
        // What comes later must not get into a change before this one.
        set.open = undefined;
        set.changes.push({ change, settle });
      }
      if (left === 0) resolve(0);
    });
  }

  #setOf(name: string, sid: string): PendingSet {
    const { queue } = this.#options;
    if (!this.#batch || !queue.isLast(this.#batch.send)) {
      const batch: Batch = { sets: new Map(), send: () => this.#sendAll(batch) };
      queue.defer(batch.send);
      this.#batch = batch;
    }
    const { sets } = this.#batch;
    const key = setKey(name, sid);
    let set = sets.get(key);
    if (!set) sets.set(key, (set = { changes: [] }));
    return set;
  }

  #sendAll({ sets }: Batch): Promise<unknown> {
    const sized = [...sets.values()].flatMap(({ changes }) =>
      changes.map((pending, index) => {
        const size = (index === 0 ? SET_SIZE : 0) + CHANGE_SIZE + pending.change.uids.length;
        return { pending, size };
      }),
    );
    const calls = chunksBySize(sized, MAX_SIZE, ({ size }) => size);
    return Promise.all(calls.map((some) => this.#send(some.map(({ pending }) => pending))));
  }

  async #send(pending: readonly Pending[]): Promise<void> {
    try {
      const outcomes = await this.#options.send(pending.map(({ change }) => change));
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
