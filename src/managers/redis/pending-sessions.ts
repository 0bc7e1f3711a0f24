import { chunks } from "../../batches.js";
import { COSTLY_BATCH } from "../../redis/connection.js";
import type { SendQueue } from "../../redis/send-queue.js";
import type { FrontendId } from "../../types.js";

/** Whether a user has sessions at a frontend. */
export interface SessionChange {
  type: "connect" | "disconnect";
  uid: string;
}

interface Pending {
  readonly change: SessionChange;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Changes that go together. */
interface Batch {
  readonly frontend: FrontendId;
  readonly pending: Pending[];
  readonly send: () => Promise<unknown>;
}

interface PendingSessionsOptions {
  /** Says when to send what concerns a frontend. */
  queueOf: (sid: string) => SendQueue;
  /** Resolves for each change why it failed, if it has. */
  send(frontend: FrontendId, changes: readonly SessionChange[]): Promise<readonly (Error | undefined)[]>;
}

/**
 * Sends what is called for at one frontend within a tick, or while others are under way, together and in the order of the calls,
 * as long as nothing else is called for in between: all sessions have to be told anew where a store has lost them.
 */
export class PendingSessions {
  readonly #options: PendingSessionsOptions;
  #batch: Batch | undefined;

  constructor(options: PendingSessionsOptions) {
    this.#options = options;
  }

  change(frontend: FrontendId, change: SessionChange): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#batchFor(frontend).pending.push({ change, resolve, reject });
    });
  }

  #batchFor(frontend: FrontendId): Batch {
    const queue = this.#options.queueOf(frontend.sid);
    const { sid, incarnation } = this.#batch?.frontend ?? {};
    if (
      !this.#batch ||
      sid !== frontend.sid ||
      incarnation !== frontend.incarnation ||
      !queue.isLast(this.#batch.send)
    ) {
      const batch: Batch = { frontend, pending: [], send: () => this.#sendAll(batch) };
      queue.defer(batch.send);
      this.#batch = batch;
    }
    return this.#batch;
  }

  #sendAll({ frontend, pending }: Batch): Promise<unknown> {
    return Promise.all(chunks(pending, COSTLY_BATCH).map((some) => this.#send(frontend, some)));
  }

  async #send(frontend: FrontendId, pending: readonly Pending[]): Promise<void> {
    try {
      const changes = pending.map(({ change }) => change);
      const failures = await this.#options.send(frontend, changes);
      pending.forEach(({ resolve, reject }, index) => (failures[index] ? reject(failures[index]) : resolve()));
    } catch (error) {
      for (const { reject } of pending) reject(error);
    }
  }
}
