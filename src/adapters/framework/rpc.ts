import { frontendError, GlobalChannelError, timedOut, unreachable } from "../../errors.js";
import type { Application, RpcMessage } from "./application.js";

interface Call {
  sid: string;
  timeoutMs: number;
  deadline: number;
  reject(error: GlobalChannelError): void;
}

/**
 * Calls remote methods of servers. The framework's own calls back late or never where a server is gone or hangs: here each
 * call ends, and says what is known of it.
 */
export class ApplicationRpc {
  readonly #app: Application;
  readonly #calls = new Set<Call>();
  /** Rings at the first deadline of the calls that were under way when it was set, or before that of a later one. */
  #alarm: { timer: NodeJS.Timeout; at: number } | undefined;

  constructor(app: Application) {
    this.#app = app;
  }

  start(): void {
    this.#app.event.on("remove_servers", this.#removed);
  }

  stop(): void {
    this.#app.event.off("remove_servers", this.#removed);
  }

  /**
   * Resolves the remote's result.
   * @throws `GC_FRONTEND_UNREACHABLE` the application knows no such server; `GC_TIMEOUT` there was no answer in time, or the
   *   server or its connection went away meanwhile; `GC_FRONTEND_ERROR` the remote failed
   */
  invoke(sid: string, message: RpcMessage, timeoutMs: number): Promise<unknown> {
    const app = this.#app;
    if (!app.rpcInvoke || !Object.hasOwn(app.getServers(), sid)) return Promise.reject(unreachable(sid));
    return new Promise((resolve, reject) => {
      const call = { sid, timeoutMs, deadline: performance.now() + timeoutMs, reject };
      this.#calls.add(call);
      this.#ringAt(call.deadline);
      app.rpcInvoke?.(sid, message, (error, result) => {
        if (!this.#calls.delete(call)) return;
        if (error) reject(toGlobalChannelError(sid, error));
        else resolve(result);
      });
    });
  }

  readonly #removed = (ids: readonly (string | number)[]): void => {
    const sids = new Set(ids.map(String));
    for (const call of this.#calls) {
      if (sids.has(call.sid)) this.#fail(call, lost(call.sid, "it has gone"));
    }
  };

  /** One timer for all calls, most of which are answered long before: theirs would cost more than all the rest. */
  #ringAt(deadline: number): void {
    if (this.#alarm && this.#alarm.at <= deadline) return;
    clearTimeout(this.#alarm?.timer);
    const timer = setTimeout(() => this.#ring(), Math.max(0, deadline - performance.now()));
    // It is set although nobody may be waiting any more, which should not keep the process.
    timer.unref();
    this.#alarm = { timer, at: deadline };
  }

  #ring(): void {
    this.#alarm = undefined;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const call of this.#calls) {
      if (call.deadline <= now) this.#fail(call, timedOut(call.sid, call.timeoutMs));
      else next = Math.min(next, call.deadline);
    }
    if (next < Number.POSITIVE_INFINITY) this.#ringAt(next);
  }

  #fail(call: Call, error: GlobalChannelError): void {
    this.#calls.delete(call);
    call.reject(error);
  }
}

/** Errors of the remote itself come as data: `{ msg, stack }`; others are the framework's, about the connection. */
function toGlobalChannelError(sid: string, error: unknown): GlobalChannelError {
  if (error instanceof Error) return lost(sid, error.message);
  const { msg, stack } = error as { msg?: unknown; stack?: unknown };
  return frontendError(sid, msg ?? (typeof stack === "string" ? stack.split("\n", 1)[0] : error));
}

function lost(sid: string, reason: string): GlobalChannelError {
  return new GlobalChannelError("GC_TIMEOUT", `no answer from frontend ${JSON.stringify(sid)}: ${reason}`, { sid });
}
