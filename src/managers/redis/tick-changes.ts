import { chunksBySize } from "../../batches.js";
import { setKey } from "../../member-sets.js";
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

interface Pending {
  change: SetChange;
  resolve: (digits: string) => void;
  reject: (error: unknown) => void;
}

interface TickChangesOptions {
  /** Calls back at the end of this tick, or before that with the next command; in the order of the calls. */
  defer(send: () => void): void;
  /** Makes the changes, in their order. Resolves for each a digit for each uid, 1 if it changed anything for it; or an error. */
  send(changes: readonly SetChange[]): Promise<readonly (string | Error)[]>;
  /** How many uids go into one change. */
  maxUids: number;
}

/** What a change costs besides its uids, each of which costs 1, and how much goes at once: keeps that below a few milliseconds. */
const CHANGE_SIZE = 4;
const MAX_SIZE = 512;

/** Sends the changes of one tick together. The adds to a set that are called for one by one are one change, and the leaves. */
export class TickChanges {
  readonly #options: TickChangesOptions;
  #pending: Pending[] = [];
  /** Of each set the last change, if single uids may still join it. */
  readonly #open = new Map<string, { change: SetChange; digits: Promise<string> }>();

  constructor(options: TickChangesOptions) {
    this.#options = options;
  }

  /** Changes a set for one uid. Resolves whether that changed anything. */
  async one(type: SetChange["type"], name: string, sid: string, uid: string): Promise<boolean> {
    const set = setKey(name, sid);
    let open = this.#open.get(set);
    if (open?.change.type !== type || open.change.uids.length === this.#options.maxUids) {
      const change = { type, name, sid, reason: type, uids: [] };
      open = { change, digits: this.many(change) };
      this.#open.set(set, open);
    }
    const place = open.change.uids.push(uid) - 1;
    const digits = await open.digits;
    return digits[place] === "1";
  }

  /** Changes a set. Resolves a digit for each uid: 1 if it changed anything for it; nothing if the set is at another version. */
  many(change: SetChange): Promise<string> {
    // What comes later must not get into a change before this one.
    this.#open.delete(setKey(change.name, change.sid));
    return new Promise((resolve, reject) => {
      if (this.#pending.push({ change, resolve, reject }) === 1) this.#options.defer(() => this.#sendAll());
    });
  }

  #sendAll(): void {
    const pending = this.#pending;
    this.#pending = [];
    this.#open.clear();
    for (const some of chunksBySize(pending, MAX_SIZE, ({ change }) => CHANGE_SIZE + change.uids.length)) {
      void this.#send(some);
    }
  }

  async #send(pending: readonly Pending[]): Promise<void> {
    try {
      const results = await this.#options.send(pending.map(({ change }) => change));
      for (const [index, { resolve, reject }] of pending.entries()) {
        const result = results[index]!;
        if (typeof result === "string") resolve(result);
        else reject(result);
      }
    } catch (error) {
      for (const { reject } of pending) reject(error);
    }
  }
}
