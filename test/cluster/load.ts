import { setTimeout as sleep } from "node:timers/promises";
import { attempt, type CallOutcome, sendable } from "./outcome.js";

/** Makes a call again and again, at a fixed pace whatever becomes of those before, and notes what becomes of each. */
export class Load {
  readonly #outcomes: CallOutcome[] = [];
  readonly #done: Promise<void>;
  #isStopped = false;

  constructor(call: (n: number) => Promise<unknown>, everyMs: number) {
    this.#done = this.#run(call, everyMs);
  }

  /** Resolves what became of the calls, as can be sent on, in the order in which they ended, once all have. */
  async stop(): Promise<CallOutcome[]> {
    this.#isStopped = true;
    await this.#done;
    // Not before: it takes time that the calls would wait for.
    return this.#outcomes.map(sendable);
  }

  async #run(call: (n: number) => Promise<unknown>, everyMs: number): Promise<void> {
    const underWay = new Set<Promise<void>>();
    const startedAt = performance.now();
    for (let n = 0; !this.#isStopped; n++) {
      const made = attempt(() => call(n)).then((outcome) => {
        this.#outcomes.push(outcome);
        underWay.delete(made);
      });
      underWay.add(made);
      // Timers are late: what they were late for is made up for.
      await sleep(Math.max(0, startedAt + (n + 1) * everyMs - performance.now()));
    }
    await Promise.all(underWay);
  }
}
