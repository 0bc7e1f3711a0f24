import { Bound } from "../bound.js";
import { GlobalChannelError } from "../errors.js";
import { withCallback, type Callback } from "./callback.js";

/** Lets calls in: while the service runs, and as many at a time as there is room for. */
export class ServiceCalls {
  readonly #bound: Bound;
  #state: "created" | "open" | "closed" = "created";

  /** @param limit how many may be under way */
  constructor(service: object, limit: number) {
    this.#bound = new Bound({ source: service, queue: "calls", limit, what: "calls under way (maxPendingCalls)" });
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** The service has started, unless it is being stopped already. */
  open(): void {
    if (this.#state === "created") this.#state = "open";
  }

  /** It is being stopped. */
  close(): void {
    this.#state = "closed";
  }

  /** Makes a call: refused unless it is let in, its errors as rejections, its result for the callback too. */
  call<T>(callback: Callback<T> | undefined, run: () => T | Promise<T>, size = 1): Promise<T> {
    return withCallback(this.run(run, size), callback);
  }

  /**
   * The same without a callback. Not an async function: that would make each call wait for one more promise that follows the one of
   * `run`.
   * @param size how much room it takes: pushes have a bound of their own
   */
  run<T>(run: () => T | Promise<T>, size = 0): Promise<T> {
    try {
      if (this.#state === "closed") throw closed();
      if (this.#state === "created") {
        throw new GlobalChannelError("GC_NOT_STARTED", "call start() and wait for it first");
      }
      return Promise.resolve(size === 0 ? run() : this.#bound.run(run, size));
    } catch (error) {
      // What was thrown, whatever it is: an async function would reject with the same.
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors
      return Promise.reject(error);
    }
  }
}

export function closed(): GlobalChannelError {
  return new GlobalChannelError("GC_CLOSED", "this service has been stopped");
}
