import { diagnostics, type LagMessage } from "./diagnostics.js";
import { GlobalChannelError } from "./errors.js";

interface BoundOptions extends Pick<LagMessage, "source" | "queue"> {
  limit: number;
  /** What there is too much of, for people: `pushes under way (maxPendingPushes)`. */
  what: string;
}

/**
 * How much may wait or be under way at the same time. What is more than that is refused; a single larger thing is let in where it is
 * alone. That it is full is told on the diagnostics channel `globalchannel:lag`, once until it is half empty.
 */
export class Bound {
  readonly #options: BoundOptions;
  #size = 0;
  #isToldFull = false;

  constructor(options: BoundOptions) {
    this.#options = options;
  }

  /** @throws `GC_OVERLOADED` there is no room for as much as this */
  check(size = 1): void {
    if (this.#size + size > this.#options.limit && this.#size > 0) throw this.#full();
  }

  add(size = 1): void {
    this.#size += size;
  }

  remove(size = 1): void {
    this.#size -= size;
    if (this.#isToldFull && this.#size <= this.#options.limit / 2) this.#isToldFull = false;
  }

  /**
   * Does something that counts until it returns or, if it gives a promise, until that is settled.
   * @throws `GC_OVERLOADED` it was not done
   */
  run<T>(work: () => T | Promise<T>, size = 1): T | Promise<T> {
    this.check(size);
    this.add(size);
    let result: T | Promise<T>;
    try {
      result = work();
    } catch (error) {
      this.remove(size);
      throw error;
    }
    // The one that follows it: the end of a promise cannot be listened for without that counting as a handler of its rejection.
    if (result instanceof Promise) {
      return size === 1 ? result.then(this.#succeed, this.#fail) : this.#end(result, size);
    }
    this.remove(size);
    return result;
  }

  async #end<T>(result: Promise<T>, size: number): Promise<T> {
    try {
      return await result;
    } finally {
      this.remove(size);
    }
  }

  /** Made once: most of what is done counts one. */
  readonly #succeed = <T>(value: T): T => {
    this.remove();
    return value;
  };

  readonly #fail = (error: unknown): never => {
    this.remove();
    throw error;
  };

  #full(): GlobalChannelError {
    const { source, queue, limit, what } = this.#options;
    if (!this.#isToldFull && diagnostics.lag.hasSubscribers) {
      this.#isToldFull = true;
      diagnostics.lag.publish({ source, queue, limit });
    }
    return new GlobalChannelError("GC_OVERLOADED", `${what}: the limit of ${limit} is reached`);
  }
}
