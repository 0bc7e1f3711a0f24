import { frontendError, GlobalChannelError, timedOut, unreachable } from "../../errors.js";
import type { Application, RpcMessage } from "./application.js";

interface Call {
  sid: string;
  reject(error: GlobalChannelError): void;
}

/**
 * Calls remote methods of servers. The framework's own calls back late or never where a server is gone or hangs: here each
 * call ends, and says what is known of it.
 */
export class ApplicationRpc {
  readonly #app: Application;
  readonly #calls = new Set<Call>();

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
      const call = {
        sid,
        reject: (error: GlobalChannelError): void => {
          end();
          reject(error);
        },
      };
      const timer = setTimeout(() => call.reject(timedOut(sid, timeoutMs)), timeoutMs);
      const end = (): void => {
        clearTimeout(timer);
        this.#calls.delete(call);
      };
      this.#calls.add(call);
      app.rpcInvoke?.(sid, message, (error, result) => {
        if (error) {
          call.reject(toGlobalChannelError(sid, error));
          return;
        }
        end();
        resolve(result);
      });
    });
  }

  readonly #removed = (sids: string[]): void => {
    for (const call of [...this.#calls]) {
      if (sids.includes(call.sid)) call.reject(lost(call.sid, "it has gone"));
    }
  };
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
