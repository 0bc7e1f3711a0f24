import { setImmediate as nextTurn } from "node:timers/promises";

/** What has been sent and is not answered. */
export class UnderWay {
  readonly #fails = new Map<Promise<unknown>, (error: Error) => void>();

  /** Settles as `work` does, unless it is made to {@link failAll fail} before. */
  add<T>(work: Promise<T>): Promise<T> {
    let fail!: (error: Error) => void;
    const result = new Promise<T>((resolve, reject) => {
      fail = reject;
      work.then(resolve, reject);
    });
    this.#fails.set(result, fail);
    const end = (): void => void this.#fails.delete(result);
    result.then(end, end);
    return result;
  }

  failAll(error: Error): void {
    for (const fail of this.#fails.values()) fail(error);
  }

  /** Resolves when nothing is under way, nor follows from what was. */
  async idle(): Promise<void> {
    do {
      await Promise.allSettled(this.#fails.keys());
      // Who has got an answer takes the next step within a turn.
      await nextTurn();
    } while (this.#fails.size > 0);
  }
}
