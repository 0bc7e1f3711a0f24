import { setImmediate as nextTurn } from "node:timers/promises";

/** How many turns of the event loop who has got an answer may take before the next step: shared reads take one. */
const TURNS = 3;

/** What has been sent by one connection and is not answered. */
export class UnderWay {
  readonly #fails = new Set<(error: Error) => void>();
  #onIdle: (() => void) | undefined;

  /** Settles as `work` does, unless it is made to {@link failAll fail} before. */
  add<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#fails.add(reject);
      work.then(
        (value) => {
          this.#end(reject);
          resolve(value);
        },
        (error: Error) => {
          this.#end(reject);
          reject(error);
        },
      );
    });
  }

  failAll(error: Error): void {
    for (const fail of this.#fails) {
      fail(error);
      this.#end(fail);
    }
  }

  /** Resolves when nothing is under way, nor follows soon from what was. */
  async idle(): Promise<void> {
    for (let quiet = 0; quiet < TURNS; quiet++) {
      await nextTurn();
      if (this.#fails.size === 0) continue;
      await new Promise<void>((resolve) => (this.#onIdle = resolve));
      quiet = -1;
    }
  }

  #end(fail: (error: Error) => void): void {
    this.#fails.delete(fail);
    if (this.#fails.size === 0) this.#onIdle?.();
  }
}
