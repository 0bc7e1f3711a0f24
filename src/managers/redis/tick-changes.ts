import { setKey } from "../../member-sets.js";

/** One script call that changes one member set. */
export interface SetChange {
  type: "join" | "leave";
  name: string;
  sid: string;
  uids: string[];
}

/** A change that more uids may still join. */
interface OpenChange extends SetChange {
  callers: { resolve: (changed: boolean) => void; reject: (error: Error) => void }[];
}

interface TickChangesOptions {
  /** Calls back at the end of this tick, or before that with the next command; in the order of the calls. */
  defer(send: () => void): void;
  /** Makes the change and resolves a digit for each uid: 1 if it changed anything for it. */
  send(change: SetChange): Promise<string>;
  /** How many uids go into one change. */
  maxUids: number;
}

/** Makes one change of the adds to a set that are called for in one tick, and one of the leaves; their order is kept. */
export class TickChanges {
  readonly #options: TickChangesOptions;
  /** The change of each set that was begun last, until it is sent. */
  readonly #open = new Map<string, OpenChange>();

  constructor(options: TickChangesOptions) {
    this.#options = options;
  }

  /** Resolves whether that changed anything. */
  change(type: SetChange["type"], name: string, sid: string, uid: string): Promise<boolean> {
    const set = setKey(name, sid);
    let change = this.#open.get(set);
    if (change?.type !== type || change.uids.length === this.#options.maxUids) {
      change = this.#begin(set, { type, name, sid, uids: [], callers: [] });
    }
    const { uids, callers } = change;
    return new Promise((resolve, reject) => {
      uids.push(uid);
      callers.push({ resolve, reject });
    });
  }

  #begin(set: string, change: OpenChange): OpenChange {
    this.#open.set(set, change);
    this.#options.defer(() => {
      if (this.#open.get(set) === change) this.#open.delete(set);
      void this.#send(change);
    });
    return change;
  }

  async #send({ callers, ...change }: OpenChange): Promise<void> {
    try {
      const changed = await this.#options.send(change);
      for (const [index, { resolve }] of callers.entries()) resolve(changed[index] === "1");
    } catch (error) {
      for (const { reject } of callers) reject(error as Error);
    }
  }
}
