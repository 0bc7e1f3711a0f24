import { checkName, encodeMessage } from "../arguments.js";
import { Bound } from "../bound.js";
import { diagnostics } from "../diagnostics.js";
import { resolveOptions } from "../options.js";
import { withCallback, type Callback } from "./callback.js";
import { tellOfPush, type CalledPush } from "./push-diagnostics.js";
import { pushOptions, type PushOptions } from "./push-options.js";
import { failIdsOf, type PushReport } from "./push-report.js";
import type { PushMessage } from "./pusher.js";

/** A call for a push, as it comes. */
export interface PushCall extends CalledPush {
  msg: unknown;
  options: PushOptions | Callback<string[]> | null | undefined;
  callback: Callback<string[]> | undefined;
}

interface PushCallsOptions {
  service: object;
  timeoutMs: number;
  maxMessageBytes: number;
  maxPendingPushes: number;
  /** Runs a call as the service runs all of its calls. */
  run: (call: () => Promise<PushReport>) => Promise<PushReport>;
}

/** Takes the calls for pushes: checks them, refuses those for which there is no room, and knows which are under way. */
export class PushCalls {
  readonly #options: PushCallsOptions;
  readonly #pushOptions: ReturnType<typeof pushOptions>;
  readonly #defaults: Pick<PushMessage, "except" | "timeoutMs" | "ack">;
  readonly #bound: Bound;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(options: PushCallsOptions) {
    this.#options = options;
    this.#pushOptions = pushOptions(options.timeoutMs);
    this.#defaults = resolveOptions("push", {}, this.#pushOptions);
    this.#bound = new Bound({
      source: options.service,
      queue: "pushes",
      limit: options.maxPendingPushes,
      what: "pushes under way (maxPendingPushes)",
    });
  }

  /** Sends what was called for, once it is checked. */
  call(call: PushCall, send: (push: PushMessage) => Promise<PushReport>): Promise<PushReport> {
    const { options, callback } = call;
    if (typeof options === "function") return this.call({ ...call, options: undefined, callback: options }, send);
    const { service, run } = this.#options;
    const make = (): Promise<PushReport> => run(() => this.#send(call, send));
    const push = diagnostics.push.hasSubscribers ? tellOfPush(service, call, make) : make();
    this.track(push);
    if (callback) {
      const failIds = push.then(failIdsOf);
      withCallback(failIds, callback, (error) => (error as Partial<{ report: PushReport }>).report?.failIds).catch(
        () => {},
      );
    }
    return push;
  }

  /** Counts as a push under way until it is settled. */
  track(push: Promise<unknown>): void {
    this.#pending.add(push);
    this.#bound.add();
    const done = (): void => {
      this.#pending.delete(push);
      this.#bound.remove();
    };
    push.then(done, done);
  }

  /** Resolves when those that are under way now are settled. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  #send(call: PushCall, send: (push: PushMessage) => Promise<PushReport>): Promise<PushReport> {
    this.#bound.check();
    const { stype, route, msg, options } = call;
    const given = options == null ? this.#defaults : resolveOptions("push", options, this.#pushOptions);
    return send({
      stype: checkName("stype", stype),
      route: checkName("route", route),
      body: encodeMessage(msg, this.#options.maxMessageBytes),
      ...given,
    });
  }
}
