import { GlobalChannelError } from "../errors.js";

/** The time that a push may take, all its steps together. */
export class Deadline {
  readonly timeoutMs: number;
  readonly #startedAt = performance.now();

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  /** How long until this share of the time is over; 0 if it is. */
  msLeft(share = 1): number {
    return Math.max(0, this.#startedAt + this.timeoutMs * share - performance.now());
  }

  /** The value, or `GC_TIMEOUT` at the deadline. */
  async bound<T>(value: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new GlobalChannelError("GC_TIMEOUT", `${what} took longer than ${this.timeoutMs} ms; nothing was sent`));
      }, this.msLeft());
    });
    try {
      return await Promise.race([value, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
