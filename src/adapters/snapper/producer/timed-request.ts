import { GlobalChannelError } from "../../../errors.js";
import type { BrokerCall, BrokerClient } from "./broker-client.js";

export interface TimedRequestOptions {
  client: BrokerClient;
  method: string;
  /** An array as JSON. */
  paramsJson: string;
  /** How long it may take from now on, in milliseconds. */
  timeoutMs: number;
  /** It is answered, or has failed: told once. */
  settled: (request: TimedRequest) => void;
}

/** A request that first waits for its turn and then for its answer, all of it for a limited time. */
export class TimedRequest {
  /** Resolves the broker's answer. Rejects with `GC_BROKER_ERROR`, `GC_BROKER_UNREACHABLE`, `GC_TIMEOUT`, or as it was told to fail. */
  readonly result: Promise<unknown>;
  readonly #options: TimedRequestOptions;
  readonly #timer: NodeJS.Timeout;
  #resolve!: (result: unknown) => void;
  #reject!: (error: Error) => void;
  #call: BrokerCall | undefined;
  #isSettled = false;

  constructor(options: TimedRequestOptions) {
    this.#options = options;
    this.result = new Promise((...settlers) => ([this.#resolve, this.#reject] = settlers));
    this.#timer = setTimeout(() => this.fail(this.#late()), options.timeoutMs);
  }

  /** It is its turn. */
  send(): void {
    const { client, method, paramsJson } = this.#options;
    this.#call = client.call(method, paramsJson);
    this.#call.answer.then(
      (result) => {
        if (this.#settle()) this.#resolve(result);
      },
      (error: Error) => this.fail(error),
    );
  }

  /** Does nothing where it is settled. */
  fail(error: Error): void {
    if (!this.#settle()) return;
    if (this.#call) this.#options.client.forget(this.#call);
    this.#reject(error);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#options.settled(this);
    return true;
  }

  #late(): GlobalChannelError {
    const { method, timeoutMs } = this.#options;
    return this.#call?.isSent
      ? new GlobalChannelError("GC_TIMEOUT", `the broker did not answer ${method} within ${timeoutMs} ms`)
      : new GlobalChannelError("GC_BROKER_UNREACHABLE", `${method} could not be sent within ${timeoutMs} ms`);
  }
}
