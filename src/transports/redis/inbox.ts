import { reportError } from "../../diagnostics.js";
import { GlobalChannelError, isTemporary } from "../../errors.js";
import type { FrontendRequest, RequestHandler } from "../../types.js";
import { CallerMemory } from "./caller-memory.js";
import type { Replies } from "./replies.js";
import {
  AGAIN,
  ASK,
  decodeAsk,
  decodeBundle,
  decodeRequests,
  DONE,
  type Outcome,
  signOf,
  wantsAnswer,
} from "./wire.js";

/** How many callers are kept in mind. */
const MAX_CALLERS = 1024;
/** For how long requests are held back at most until their caller has said what was missed before them, in milliseconds. */
const HOLD_MS = 1000;
/** How often it is told meanwhile that it is waited for, in milliseconds. */
const REMIND_MS = 200;

/**
 * The requests to one frontend: hands each to the handler once, in the order of its caller's calls.
 *
 * What is published while the subscription is cut is lost. So each caller that was heard before is then asked what it has sent, and its later
 * requests are held back until the lost ones have come once more. A caller that does not answer is waited for
 * {@link HOLD_MS} at most; a lost request that others have overtaken by then is refused, so that its caller knows. So is one that comes late:
 * a primary that stood still, and whose replica has taken over meanwhile, passes on what it was sent before; and scripts that Redis has
 * thrown away (`SCRIPT FLUSH`) are sent anew after what is sent directly.
 */
export class Inbox {
  readonly #sid: string;
  readonly #handler: RequestHandler;
  readonly #replies: Replies;
  readonly #callers = new Map<string, CallerMemory>();
  #uses = 0;
  #isCut = false;
  #reminders: NodeJS.Timeout | undefined;

  constructor(sid: string, handler: RequestHandler, replies: Replies) {
    this.#sid = sid;
    this.#handler = handler;
    this.#replies = replies;
  }

  message(text: string): void {
    try {
      const sign = signOf(text);
      if (sign === undefined) decodeRequests(text, (from, id, request) => this.#receive(from, id, request));
      else if (sign === ASK) this.#answer(decodeAsk(text));
      else if (sign === AGAIN) decodeRequests(text, (from, id, request) => this.#receiveAgain(from, id, request));
      else if (sign === DONE) this.#release(decodeAsk(text).from);
      else for (const message of decodeBundle(text)) this.message(message);
    } catch (error) {
      // Nobody of ours wrote this: there is no one to answer.
      reportError(this, error);
    }
  }

  /** The subscription is cut. What comes when it is back, and before {@link gap}, is later than what is lost. */
  lost(): void {
    this.#isCut = true;
    for (const caller of this.#callers.values()) caller.hold();
  }

  /** It is made again. */
  gap(): void {
    this.#isCut = false;
    for (const from of this.#callers.keys()) this.#remind(from);
  }

  /** Forgets all that was sent before: it is not to be handled any more, nor known. */
  forget(): void {
    for (const caller of this.#callers.values()) caller.release();
    this.#callers.clear();
    this.close();
  }

  close(): void {
    clearInterval(this.#reminders);
    this.#reminders = undefined;
  }

  #callerOf(from: string, id: number): CallerMemory {
    let caller = this.#callers.get(from);
    if (!caller) {
      if (this.#callers.size >= MAX_CALLERS) this.#forgetOne();
      this.#callers.set(from, (caller = new CallerMemory(id)));
      if (this.#isCut) caller.hold();
    }
    caller.usedAt = ++this.#uses;
    return caller;
  }

  /** The one that has been silent for longest. */
  #forgetOne(): void {
    const [from] = [...this.#callers].reduce((one, other) => (other[1].usedAt < one[1].usedAt ? other : one));
    this.#release(from);
    this.#callers.delete(from);
  }

  #receive(from: string, id: number, request: FrontendRequest): void {
    const caller = this.#callerOf(from, id);
    if (!caller.isHeld) this.#handleNew(caller, from, id, request);
    else if (!caller.keep(id, request)) {
      this.#release(from);
      this.#handleNew(caller, from, id, request);
    }
  }

  #receiveAgain(from: string, id: number, request: FrontendRequest): void {
    const caller = this.#callers.get(from);
    if (caller?.stateOf(id) === "missed") this.#handleNew(caller, from, id, request);
  }

  /** Says what has become of requests, as far as that is known, and which ones never came. */
  #answer({ from, ids }: { from: string; ids: readonly number[] }): void {
    const caller = this.#callers.get(from);
    // One that is not known may mean an earlier life of this frontend.
    if (!caller) return;
    const missed: number[] = [];
    for (const id of ids) {
      const state = caller.stateOf(id);
      if (state === "missed") missed.push(id);
      else if (state === "overtaken") this.#refuse(from, id);
      else if (typeof state === "object") this.#replies.add(from, this.#sid, id, state);
    }
    if (missed.length === 0) {
      this.#release(from);
      return;
    }
    caller.hold();
    this.#remindLater();
    this.#replies.addMissed(from, this.#sid, missed);
  }

  #remind(from: string): void {
    this.#replies.addMissed(from, this.#sid);
    this.#remindLater();
  }

  #remindLater(): void {
    this.#reminders ??= setInterval(() => this.#remindAll(), REMIND_MS).unref();
  }

  #remindAll(): void {
    if (this.#isCut) return;
    const before = performance.now() - HOLD_MS;
    let isAnyHeld = false;
    for (const [from, caller] of this.#callers) {
      if (!caller.isHeld) continue;
      if (caller.heldSince <= before) {
        this.#release(from);
      } else {
        isAnyHeld = true;
        this.#remind(from);
      }
    }
    if (!isAnyHeld) this.close();
  }

  #release(from: string): void {
    const caller = this.#callers.get(from);
    if (!caller?.isHeld) return;
    for (const [id, request] of caller.release()) this.#handleNew(caller, from, id, request);
  }

  #handleNew(caller: CallerMemory, from: string, id: number, request: FrontendRequest): void {
    if (caller.stateOf(id) === "overtaken") {
      this.#refuse(from, id);
      return;
    }
    if (!caller.isNew(id)) return;
    const fail = (error: unknown): void => {
      const message = error instanceof Error ? error.message : String(error);
      this.#settle(caller, from, id, { error: message, ...(isTemporary(error) && { temporary: true }) }, error);
    };
    try {
      const answer = this.#handler(request);
      // Most answers are there at once: a promise would only delay them.
      if (answer instanceof Promise)
        answer.then((later) => this.#settle(caller, from, id, { answer: later })).catch(fail);
      else this.#settle(caller, from, id, { answer });
    } catch (error) {
      fail(error);
    }
  }

  /** Later ones have been handled. */
  #refuse(from: string, id: number): void {
    if (wantsAnswer(id)) this.#replies.add(from, this.#sid, id, { error: overtaken(id).message });
  }

  #settle(caller: CallerMemory, from: string, id: number, outcome: Outcome, error?: unknown): void {
    if (wantsAnswer(id)) {
      caller.settle(id, outcome);
      this.#replies.add(from, this.#sid, id, outcome);
    } else if (error !== undefined) reportError(this, error);
  }
}

function overtaken(id: number): GlobalChannelError {
  return new GlobalChannelError(
    "GC_FRONTEND_ERROR",
    `request ${id} was lost on the way, or came late, and later ones have overtaken it`,
  );
}
