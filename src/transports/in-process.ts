import { reportError } from "../diagnostics.js";
import { frontendError, timedOut, unreachable } from "../errors.js";
import type { FrontendRequest, ReplyTo, RequestHandler, RpcTransport, Unsubscribe } from "../types.js";

/** Carries requests within this process. See {@link RpcTransport}. */
export class InProcessTransport implements RpcTransport {
  readonly #handlers = new Map<string, RequestHandler>();

  serve(sid: string, handler: RequestHandler): Unsubscribe {
    // A function of its own for each time: the same handler may be given twice.
    const serving: RequestHandler = (request) => handler(request);
    this.#handlers.set(sid, serving);
    return () => {
      if (this.#handlers.get(sid) === serving) this.#handlers.delete(sid);
    };
  }

  /** What is sent is handed over at once. */
  fence(): void {}
  settled(): void {}

  async send(sid: string, request: FrontendRequest): Promise<void> {
    const handler = this.#handlers.get(sid);
    if (!handler) throw unreachable(sid);
    (async () => handler(request))().catch((error: unknown) => reportError(this, error));
  }

  async request<R extends FrontendRequest>(
    sid: string,
    request: R,
    options: { timeoutMs: number },
  ): Promise<ReplyTo<R>> {
    const handler = this.#handlers.get(sid);
    if (!handler) throw unreachable(sid);
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(timedOut(sid, options.timeoutMs)), options.timeoutMs);
    });
    const answer = (async () => {
      try {
        return (await handler(request)) as ReplyTo<R>;
      } catch (cause) {
        throw frontendError(sid, cause);
      }
    })();
    try {
      return await Promise.race([answer, deadline]);
    } finally {
      clearTimeout(timer);
    }
  }
}
