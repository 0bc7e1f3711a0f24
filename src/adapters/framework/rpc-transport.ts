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

/** What goes only by another way. */
const BEYOND_REMOTE = {
  push: "push to everyone",
  disconnect: "disconnect users",
  channels: "say which a user's channels are",
} as const satisfies Record<FrontendRequest["type"], string>;

interface Boundable {
  uids: readonly string[];
  unbound: readonly string[];
}

/**
 * Sends pushes through the framework's own RPC to its own remote, `channelRemote.pushMessage`, which every frontend has. That
 * one takes uids; what it cannot do goes another way, if there is one.
 */
export class RpcInvokeTransport implements RpcTransport {
  readonly #rpc: ApplicationRpc;
  readonly #other: RpcTransport | undefined;
  readonly #uidsOnly: () => boolean;
  /** The lists that have been looked through: those of a channel that does not change come again. */
  readonly #checked = new WeakMap<readonly string[], Boundable>();
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
      const what = BEYOND_REMOTE[request.type];
      return Promise.reject(
        new GlobalChannelError("GC_UNSUPPORTED", `the framework's own remote cannot ${what}`, { sid }),
      );
    }
    return this.#other.request(sid, request, options);
  }

  #push(
    sid: string,
    { route, body, except = [] }: Push,
    all: readonly string[],
    timeoutMs: number,
  ): Promise<FrontendReplies["push"]> {
    const { uids, unbound } = this.#boundable(except.length === 0 ? all : all.filter((uid) => !except.includes(uid)));
    const message: RpcMessage = {
      namespace: "sys",
      service: "channelRemote",
      method: "pushMessage",
      args: [route, this.#parse(body), uids, { isPush: true }],
    };
    return this.#rpc.invoke(sid, message, timeoutMs).then((result) => {
      const failed = result ?? [];
      if (!Array.isArray(failed)) throw frontendError(sid, "channelRemote.pushMessage gave no list of failed uids");
      return { delivered: uids.length - failed.length, failed: [...failed.map(String), ...unbound] };
    });
  }

  /** The users whom a session can be bound to. The frameworks look sessions up by uid in an object, and stumble over others. */
  #boundable(all: readonly string[]): Boundable {
    let boundable = this.#checked.get(all);
    if (!boundable) {
      const unbound = all.filter((uid) => uid in Object.prototype);
      boundable = { unbound, uids: unbound.length === 0 ? all : all.filter((uid) => !(uid in Object.prototype)) };
      this.#checked.set(all, boundable);
    }
    return boundable;
  }

  #parse(body: string): unknown {
    if (this.#parsed.body !== body) this.#parsed = { body, msg: JSON.parse(body) };
    return this.#parsed.msg;
  }
}
