import { GlobalChannelError } from "../errors.js";

/** Something that is waited for. */
interface Wait {
  what: () => string;
  after: string;
  reject(error: GlobalChannelError): void;
}

/** The time that a push may take, all its steps together. One timer for all that is waited for. */
export class Deadline {
  readonly timeoutMs: number;
  readonly #startedAt = performance.now();
  readonly #waits = new Set<Wait>();
  #timer: NodeJS.Timeout | undefined;
  /** Timers may be a fraction of a millisecond early: what was given up then must not begin after all. */
  #isOver = false;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  /** How long until this share of the time is over; 0 if it is. */
  msLeft(share = 1): number {
    return this.#isOver ? 0 : Math.max(0, this.#startedAt + this.timeoutMs * share - performance.now());
  }

  /** The value, or `GC_TIMEOUT` at the deadline. @param after what is true then */
  bound<T>(value: Promise<T>, what: () => string, after = "nothing was sent"): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = { what, after, reject };
      this.#waits.add(wait);
      this.#timer ??= setTimeout(() => this.#end(), this.msLeft());
      value.then(
        (result) => {
          this.#settle(wait);
          resolve(result);
        },
        (error: Error) => {
          this.#settle(wait);
          reject(error);
        },
      );
    });
  }

  /** @throws `GC_TIMEOUT` it is over */
  check(what: string, after = "nothing was sent"): void {
    if (this.msLeft() === 0) throw this.#over(what, after);
  }

  #settle(wait: Wait): void {
    this.#waits.delete(wait);
    if (this.#waits.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #end(): void {
    this.#isOver = true;
    this.#timer = undefined;
    for (const wait of this.#waits) wait.reject(this.#over(wait.what(), wait.after));
    this.#waits.clear();
  }

  #over(what: string, after: string): GlobalChannelError {
    return new GlobalChannelError("GC_TIMEOUT", `${what} took longer than ${this.timeoutMs} ms; ${after}`);
  }
}
