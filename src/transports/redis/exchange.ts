import { frontendError, GlobalChannelError, timedOut, unreachable } from "../../errors.js";
import type { FrontendReply, FrontendRequest } from "../../types.js";
import type { Outcome } from "./wire.js";

/** Is told the reply of each frontend that is expected to give one, or why there is none, once each. */
export interface ExchangeListener {
  answered(sid: string, reply: FrontendReply): void;
  failed(sid: string, error: Error): void;
}

/** One request, to one frontend or to several, and the wait for their replies until the deadline. */
export class Exchange {
  readonly startedAt = performance.now();
  /** What frontends know it by, from when it is sent. */
  id: number | undefined;
  readonly #timeoutMs: number;
  readonly #onEnd: (exchange: Exchange) => void;
  readonly #onSendingTimeout: ((error: GlobalChannelError) => void) | undefined;
  readonly #timer: NodeJS.Timeout;
  /** Who is still expected to reply, from {@link expect} on. */
  #waiting: Set<string> | undefined;
  /** Those of them whom it is known not to have reached. */
  #unreached: Set<string> | undefined;
  #listener: ExchangeListener | undefined;
  #requestTo: ((sid: string) => FrontendRequest) | undefined;
  /** Replies that came before it was known that they are to be expected. */
  #early: Map<string, Outcome> | undefined;
  #isOver = false;

  /** @param onSendingTimeout gets `GC_TIMEOUT` if the deadline comes first: whether the request was sent is not known then */
  constructor(
    timeoutMs: number,
    onEnd: (exchange: Exchange) => void,
    onSendingTimeout?: (error: GlobalChannelError) => void,
  ) {
    this.#timeoutMs = timeoutMs;
    this.#onEnd = onEnd;
    this.#onSendingTimeout = onSendingTimeout;
    this.#timer = setTimeout(() => this.#expire(), timeoutMs);
  }

  /**
   * Tells the listener of the replies of these frontends, of those that are there already at once. No others will be expected.
   * @param requestTo what each of them was sent, in case that it is lost
   */
  expect(sids: Set<string>, listener: ExchangeListener, requestTo: (sid: string) => FrontendRequest): void {
    this.#waiting = sids;
    this.#listener = listener;
    this.#requestTo = requestTo;
    if (this.#early) for (const [sid, outcome] of this.#early) this.settle(sid, outcome);
    if (this.#isOver) this.#expire();
    else this.#endIfDone();
  }

  /** Whether the deadline has come. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Who is still expected to reply. */
  get waiting(): Iterable<string> {
    return this.#waiting ?? [];
  }

  isWaitingFor(sid: string): boolean {
    return this.#waiting?.has(sid) ?? false;
  }

  /** Whether this frontend is expected to reply, or may come to be: while a request is being sent it is not known who is. */
  mayWaitFor(sid: string): boolean {
    return this.#waiting?.has(sid) ?? true;
  }

  requestTo(sid: string): FrontendRequest {
    return this.#requestTo!(sid);
  }

  isUnreached(sid: string): boolean {
    return this.#unreached?.has(sid) ?? false;
  }

  /** It is known that the request has not reached this frontend. */
  markUnreached(sid: string): void {
    if (this.isWaitingFor(sid)) (this.#unreached ??= new Set()).add(sid);
  }

  /** That is not known any more. */
  markReached(sid: string): void {
    this.#unreached?.delete(sid);
  }

  settle(sid: string, outcome: Outcome): void {
    if (!this.#waiting) {
      (this.#early ??= new Map()).set(sid, outcome);
      return;
    }
    if (!this.#waiting.delete(sid)) return;
    if ("error" in outcome) this.#listener!.failed(sid, frontendError(sid, outcome.error, outcome.temporary));
    else this.#listener!.answered(sid, outcome.answer);
    this.#endIfDone();
  }

  /** Ends the wait for this frontend; one that was not reached fails for that reason. */
  fail(sid: string, error: Error): void {
    if (!this.#waiting?.delete(sid)) return;
    this.#listener!.failed(sid, this.isUnreached(sid) ? unreachable(sid) : error);
    this.#endIfDone();
  }

  /** Nobody is expected to reply. */
  cancel(): void {
    this.#waiting = new Set();
    this.#end();
  }

  #expire(): void {
    this.#isOver = true;
    if (!this.#waiting) {
      this.#onSendingTimeout?.(
        new GlobalChannelError("GC_TIMEOUT", `Redis did not answer within ${this.#timeoutMs} ms`),
      );
    }
    for (const sid of [...this.waiting]) this.fail(sid, timedOut(sid, this.#timeoutMs));
    this.#end();
  }

  #endIfDone(): void {
    if (this.#waiting?.size === 0) this.#end();
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#onEnd(this);
  }
}
