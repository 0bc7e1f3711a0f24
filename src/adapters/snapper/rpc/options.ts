import { aFunction, amount, anObject, milliseconds, optional, resolveOptions } from "../../../options.js";
import type { Awaitable } from "../../../types.js";
import type { RpcId } from "../wire/message.js";
import type { RpcSession } from "./rpc-session.js";

/** The largest frame by default, in bytes. */
const MAX_FRAME_BYTES = 1_048_576;

/** How a call came. */
interface RpcContext<A> {
  /** The request's id, undefined for a notification. A client that sends a request again does so under the same one. */
  readonly id: RpcId | undefined;
  readonly session: RpcSession<A>;
}

/**
 * Does one call. What it gives, null for undefined, is the answer. What it throws is, too: `GC_INVALID_ARGUMENT` as -32602, other errors
 * of this package as -32603 with their message and, in `data`, their `code` and `temporary`; else -32603, and nothing more is told.
 */
export type RpcMethod<A> = (params: readonly unknown[], context: RpcContext<A>) => Awaitable<unknown>;

/** Options of {@link RpcServer}. */
export interface RpcServerOptions<A> {
  /** Says who has this token. What it throws refuses the client. */
  authenticate: (token: string) => Awaitable<A>;
  /** What clients may call, by name. */
  methods: Readonly<Record<string, RpcMethod<A>>>;
  /** Gets the errors that nobody else does. @default they are told on the diagnostics channel `globalchannel:error` */
  onError?: ((error: Error) => void) | undefined;
  /** The largest frame of a client that has shown who it is, in bytes. @default 1_048_576 */
  maxFrameBytes?: number | undefined;
  /** How long a client may take to show who it is, in milliseconds. @default 10_000 */
  authTimeoutMs?: number | undefined;
  /** How long `close()` waits for what is under way, and for clients to go, in milliseconds. @default 5000 */
  closeTimeoutMs?: number | undefined;
}

/** @throws `GC_INVALID_OPTION` */
export function resolveRpcServerOptions<A>(options: RpcServerOptions<A>) {
  return resolveOptions("RpcServer", options, {
    authenticate: aFunction<RpcServerOptions<A>["authenticate"]>(),
    methods: anObject<RpcServerOptions<A>["methods"]>(),
    onError: optional(aFunction<(error: Error) => void>()),
    maxFrameBytes: amount(MAX_FRAME_BYTES),
    authTimeoutMs: milliseconds(10_000),
    closeTimeoutMs: milliseconds(5000),
  });
}
