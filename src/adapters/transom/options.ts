import type { ServerOptions } from "socket.io";
import { checkName } from "../../arguments.js";
import { checkCluster } from "../../cluster/check-cluster.js";
import type { AnySocket, SocketIoConnectorOptions } from "../../connectors/socket-io/connector.js";
import type { FrontendOptions } from "../../frontend/frontend.js";
import { aFunction, anObject, optional, resolveOptions } from "../../options.js";
import type { GlobalChannelServiceOptions } from "../../service/service-options.js";
import type { OneTimeTokensOptions } from "../../tokens/one-time-tokens.js";
import type { SocketMiddleware as MiddlewareFor } from "../../tokens/socket-middleware.js";
import type { ClusterInput } from "../../types.js";

/** A middleware of Socket.IO. */
export type SocketMiddleware = MiddlewareFor<AnySocket>;

/** Options of the plugin. */
export interface TransomOptions {
  /**
   * What the processes share, such as `redis(url)`: users are reached wherever they are connected. With it, `initialize` alone registers
   * a client that can emit. @default `memory()`, made by `initializeWithServer`: this process only
   */
  cluster?: ClusterInput | undefined;
  /** The registry's key for the message client. @default both `transomMsgClient` and `transomMessageClient` */
  registryKey?: string | undefined;
  /**
   * Says who a socket's user is, in the place of tokens: sets `socket.transomUser`, or refuses with `next(error)`. One that it lets
   * through without a `transomUser` with an `_id` stays connected, and gets nothing.
   */
  authMiddleware?: SocketMiddleware | undefined;
  /** The registry's key of an object with `verifyNonce(token, callback)`, which checks tokens where it is there. @default `transomNonce` */
  nonceHandler?: string | undefined;
  /** The id of this process's frontend, unique in the cluster. @default one that is made up for each start */
  sid?: string | undefined;
  /** The type of these frontends: the same in all processes. @default `transom` */
  stype?: string | undefined;
  /** For the Socket.IO server that `initializeWithServer` makes where none is given. */
  socketio?: Partial<ServerOptions> | undefined;
  /** More options of the parts. */
  connector?: Omit<SocketIoConnectorOptions, "io" | "uid"> | undefined;
  frontend?: Omit<FrontendOptions, "sid" | "stype" | "cluster" | "connector"> | undefined;
  service?: Omit<GlobalChannelServiceOptions, "cluster"> | undefined;
  tokens?: Omit<OneTimeTokensOptions, "store"> | undefined;
}

/** @throws `GC_INVALID_OPTION` */
export function resolveTransomOptions(options: TransomOptions) {
  return resolveOptions("transom", options, {
    cluster: optional(checkCluster),
    registryKey: optional(checkName),
    authMiddleware: optional(aFunction<SocketMiddleware>()),
    nonceHandler: (option, value = "transomNonce") => checkName(option, value),
    sid: optional(checkName),
    stype: (option, value = "transom") => checkName(option, value),
    socketio: anObject<NonNullable<TransomOptions["socketio"]>>(),
    connector: anObject<NonNullable<TransomOptions["connector"]>>(),
    frontend: anObject<NonNullable<TransomOptions["frontend"]>>(),
    service: anObject<NonNullable<TransomOptions["service"]>>(),
    tokens: anObject<NonNullable<TransomOptions["tokens"]>>(),
  });
}
