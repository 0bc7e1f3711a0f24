import { frontendError, GlobalChannelError, timedOut } from "../../errors.js";
import type { FrontendReply } from "../../types.js";
import type { Outcome } from "./wire.js";

interface Waiting {
  resolve: (reply: FrontendReply) => void;
  reject: (error: Error) => void;
}

/** One request, to one frontend or to several, and the wait for their replies until the deadline. */
export class Exchange {
  readonly #timeoutMs: number;
  readonly #onEnd: () => void;
  readonly #waiting = new Map<string, Waiting>();
  /** Replies that came before it was known that they are to be expected. */
  #early: Map<string, Outcome> | undefined;
  readonly #timer: NodeJS.Timeout;
  #giveUpSending: (() => void) | undefined;
  #isSent = false;
  #isOver = false;

  constructor(timeoutMs: number, onEnd: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onEnd = onEnd;
    this.#timer = setTimeout(() => this.#expire(), timeoutMs);
  }

  /** Waits for the request to be sent. @throws `GC_TIMEOUT` at the deadline: whether it was sent is not known then */
  sending<T>(sending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUpSending = () => {
        reject(new GlobalChannelError("GC_TIMEOUT", `Redis did not answer within ${this.#timeoutMs} ms`));
      };
      sending.then(resolve, reject);
    });
  }

  /** The reply of one frontend. All must be expected before {@link sent}. */
  expect(sid: string): Promise<FrontendReply> {
    const promise = new Promise<FrontendReply>((resolve, reject) => this.#waiting.set(sid, { resolve, reject }));
    const early = this.#early?.get(sid);
    if (early) this.settle(sid, early);
    else if (this.#isOver) this.#expire();
    return promise;
  }

  /** No further frontend will be expected. */
  sent(): void {
    this.#isSent = true;
    this.#endIfDone();
  }

  settle(sid: string, outcome: Outcome): void {
    const waiting = this.#waiting.get(sid);
    if (!waiting) {
      if (!this.#isSent) (this.#early ??= new Map()).set(sid, outcome);
      return;
    }
    this.#waiting.delete(sid);
    if ("error" in outcome) waiting.reject(frontendError(sid, outcome.error));
    else waiting.resolve(outcome.answer);
    this.#endIfDone();
  }

  fail(sid: string, error: Error): void {
    this.#waiting.get(sid)?.reject(error);
    this.#waiting.delete(sid);
    this.#endIfDone();
  }

  #expire(): void {
    this.#isOver = true;
    this.#giveUpSending?.();
    for (const [sid, { reject }] of this.#waiting) reject(timedOut(sid, this.#timeoutMs));
    this.#waiting.clear();
    this.#end();
  }

  #endIfDone(): void {
    if (this.#isSent && this.#waiting.size === 0) this.#end();
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#onEnd();
  }
}
