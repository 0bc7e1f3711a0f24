import { frontendError, GlobalChannelError } from "../../errors.js";
import type {
  FrontendReplies,
  FrontendRequest,
  ReplyTo,
  RequestHandler,
  RpcTransport,
  TransportLimits,
  Unsubscribe,
} from "../../types.js";
import type { RpcMessage } from "./application.js";
import type { ApplicationRpc } from "./rpc.js";

type Push = Extract<FrontendRequest, { type: "push" }>;

/**
 * Sends pushes through the framework's own RPC to its own remote, `channelRemote.pushMessage`, which every frontend has. That
 * one takes uids; what it cannot do goes another way, if there is one.
 */
export class RpcInvokeTransport implements RpcTransport {
  readonly #rpc: ApplicationRpc;
  readonly #other: RpcTransport | undefined;
  readonly #uidsOnly: () => boolean;
  /** The body that was parsed last, for the frontends of one push. */
  #parsed = { body: "", msg: undefined as unknown };

  constructor(rpc: ApplicationRpc, { other, uidsOnly }: { other: RpcTransport | undefined; uidsOnly: () => boolean }) {
    this.#rpc = rpc;
    this.#other = other;
    this.#uidsOnly = uidsOnly;
  }

  get limits(): TransportLimits {
    return { uidsOnly: this.#uidsOnly() };
  }

  async start(): Promise<void> {
    await this.#other?.start?.();
    this.#rpc.start();
  }

  async stop(force?: boolean): Promise<void> {
    this.#rpc.stop();
    await this.#other?.stop?.(force);
  }

  async serve(sid: string, handler: RequestHandler): Promise<Unsubscribe> {
    return (await this.#other?.serve(sid, handler)) ?? (() => {});
  }

  request<R extends FrontendRequest>(sid: string, request: R, options: { timeoutMs: number }): Promise<ReplyTo<R>> {
    if (request.type === "push" && "uids" in request.target) {
      return this.#push(sid, request, request.target.uids, options.timeoutMs) as Promise<ReplyTo<R>>;
    }
    if (!this.#other) {
      const what = request.type === "push" ? "a push to everyone" : "a user's channels";
      return Promise.reject(
        new GlobalChannelError("GC_UNSUPPORTED", `the framework's own remote cannot do ${what}`, { sid }),
      );
    }
    return this.#other.request(sid, request, options);
  }

  #push(
    sid: string,
    { route, body }: Push,
    uids: readonly string[],
    timeoutMs: number,
  ): Promise<FrontendReplies["push"]> {
    const message: RpcMessage = {
      namespace: "sys",
      service: "channelRemote",
      method: "pushMessage",
      args: [route, this.#parse(body), uids, { isPush: true }],
    };
    return this.#rpc.invoke(sid, message, timeoutMs).then((result) => {
      const failed = result ?? [];
      if (!Array.isArray(failed)) throw frontendError(sid, "channelRemote.pushMessage gave no list of failed uids");
      return { delivered: uids.length - failed.length, failed: failed.map(String) };
    });
  }

  #parse(body: string): unknown {
    if (this.#parsed.body !== body) this.#parsed = { body, msg: JSON.parse(body) };
    return this.#parsed.msg;
  }
}
