import type { FrontendRequest, ReplyTo, RequestHandler, RpcTransport, Unsubscribe } from "../../types.js";
import type { RpcMessage } from "../framework/application.js";
import type { ApplicationRpc } from "../framework/rpc.js";

/** The name of the remote that this plugin brings: that of its file. */
const REMOTE = "globalChannelRemote";

/** Sends requests by the framework's RPC to the remote that this plugin brings along. */
export class PluginRemoteTransport implements RpcTransport {
  readonly #rpc: ApplicationRpc;
  #handler: RequestHandler | undefined;

  constructor(rpc: ApplicationRpc) {
    this.#rpc = rpc;
  }

  serve(_sid: string, handler: RequestHandler): Unsubscribe {
    this.#handler = handler;
    return () => {
      if (this.#handler === handler) this.#handler = undefined;
    };
  }

  request<R extends FrontendRequest>(
    sid: string,
    request: R,
    { timeoutMs }: { timeoutMs: number },
  ): Promise<ReplyTo<R>> {
    const message: RpcMessage = { namespace: "user", service: REMOTE, method: "handle", args: [request] };
    return this.#rpc.invoke(sid, message, timeoutMs) as Promise<ReplyTo<R>>;
  }

  /** What the remote of this process is asked. */
  async handle(request: FrontendRequest): Promise<unknown> {
    if (!this.#handler) throw new Error("this server is no frontend of globalChannel, or not started yet");
    return this.#handler(request);
  }
}
