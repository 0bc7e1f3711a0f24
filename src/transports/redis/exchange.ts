import { frontendError, timedOut } from "../../errors.js";
import type { FrontendReply } from "../../types.js";
import type { Reply } from "./wire.js";

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
  readonly #early = new Map<string, Reply>();
  readonly #timer: NodeJS.Timeout;
  #isSent = false;
  #isOver = false;

  constructor(timeoutMs: number, onEnd: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onEnd = onEnd;
    this.#timer = setTimeout(() => this.#expire(), timeoutMs);
  }

  /** The reply of one frontend. All must be expected before {@link sent}. */
  expect(sid: string): Promise<FrontendReply> {
    const promise = new Promise<FrontendReply>((resolve, reject) => this.#waiting.set(sid, { resolve, reject }));
    const early = this.#early.get(sid);
    if (early) this.settle(early);
    else if (this.#isOver) this.#expire();
    return promise;
  }

  /** No further frontend will be expected. */
  sent(): void {
    this.#isSent = true;
    this.#endIfDone();
  }

  settle(reply: Reply): void {
    const [, sid, answer, error] = reply;
    const waiting = this.#waiting.get(sid);
    if (!waiting) {
      if (!this.#isSent) this.#early.set(sid, reply);
      return;
    }
    this.#waiting.delete(sid);
    if (answer === null) waiting.reject(frontendError(sid, error));
    else waiting.resolve(answer);
    this.#endIfDone();
  }

  fail(sid: string, error: Error): void {
    this.#waiting.get(sid)?.reject(error);
    this.#waiting.delete(sid);
    this.#endIfDone();
  }

  #expire(): void {
    this.#isOver = true;
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
