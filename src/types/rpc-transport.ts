import type { Awaitable, Unsubscribe } from "./awaitable.js";
import type { ChannelPosition } from "./channel-history.js";
import type { Version } from "./membership.js";

/** Whom a push is for, at one frontend. */
export type PushTarget =
  /** The members of these channels, one copy per user; each set at this version or a newer one. */
  | { channels: readonly { name: string; version: Version }[] }
  | { uids: readonly string[] }
  /** Everyone with a session at the frontend. */
  | { everyone: true };

/** What a service asks of one frontend. */
export type FrontendRequest =
  | {
      type: "push";
      target: PushTarget;
      route: string;
      /** The message as JSON text. */
      body: string;
      /** Uids left out. */
      except?: readonly string[] | undefined;
      /** Where it is in the histories of its channels that keep it. */
      positions?: readonly ChannelPosition[] | undefined;
      /** See `ClientMessage`. */
      id?: string | undefined;
      names?: readonly string[] | undefined;
    }
  /** Close every session of these users. */
  | {
      type: "disconnect";
      uids: readonly string[];
      /** See {@link DisconnectOptions}. */
      close: boolean;
    }
  /** Which channels is this user a member of, at this frontend? */
  | { type: "channels"; uid: string };

/** What became of what was asked for users, each of whom is in one of the three. */
export interface UsersReply {
  /** How many users have got it. */
  delivered: number;
  /** The uids of those who have no session here. */
  failed: readonly string[];
  /** The uids of those of whom it is not known, where there are any: their clients have not acknowledged it. */
  unknown?: readonly string[];
}

/** What the frontend answers. */
export interface FrontendReplies {
  push: UsersReply;
  disconnect: UsersReply;
  channels: { names: readonly string[] };
}
export type ReplyTo<R extends FrontendRequest> = FrontendReplies[R["type"]];
export type FrontendReply = FrontendReplies[FrontendRequest["type"]];

/**
 * Handles one request at the frontend. What it throws, the caller gets as `GC_FRONTEND_ERROR`. What it returns may never settle:
 * where another incarnation has the sid, this one does not answer. A transport neither holds up others for it nor waits for it
 * when `serve` ends.
 */
export type RequestHandler = (request: FrontendRequest) => Awaitable<FrontendReply>;

/** What a transport cannot do; what is not declared is false. */
export interface TransportLimits {
  /** Frontends are reached by code that knows no channels: a push names its uids, which the service keeps copies of. */
  uidsOnly: boolean;
}

/**
 * How does a message reach one frontend?
 *
 * Requests from one service to one frontend are handled in the order of the calls, each at most once.
 */
export interface RpcTransport {
  /** What it cannot do. @default nothing */
  readonly limits?: Readonly<Partial<TransportLimits>>;
  start?(): Awaitable<void>;
  stop?(force?: boolean): Awaitable<void>;
  /**
   * Asks the frontend and resolves its answer.
   * @throws `GC_TIMEOUT` no answer within `timeoutMs`: whether it was handled is not known;
   *   `GC_FRONTEND_UNREACHABLE` it is known that nobody got it; `GC_FRONTEND_ERROR` the frontend's handler failed. Of anything else
   *   it is not known whether the request was handled: those whom it was for are *unknown* in the push report
   */
  request<R extends FrontendRequest>(sid: string, request: R, options: { timeoutMs: number }): Promise<ReplyTo<R>>;
  /**
   * Sends the frontend a request whose answer nobody waits for, in the order of the calls with those of {@link request}.
   * Resolves when it is sent. Where a transport lacks it, services call `request` and drop what comes of it.
   * @throws `GC_FRONTEND_UNREACHABLE` it is known that nobody got it
   */
  send?(sid: string, request: FrontendRequest): Promise<void>;
  /** Handles the requests to `sid` from now on. Resolves when none can be missed any more. */
  serve(sid: string, handler: RequestHandler): Awaitable<Unsubscribe>;
  /**
   * Resolves once every request that was sent to `sid` before this call has been handed to its handler, or never will be. The
   * frontend there asks for it when it was taken for dead, and refuses all requests meanwhile. Where a transport lacks it, a
   * frontend that was taken for dead may deliver what was sent to it before.
   */
  fence?(sid: string): Awaitable<void>;
  /**
   * Resolves once every request that was sent to `sid` before this call has been handed to its handler, or is lost; all of it is handled
   * as ever. Where a transport lacks it, {@link fence} is not called in its place: what is on its way is not waited for.
   */
  settled?(sid: string): Awaitable<void>;
}
