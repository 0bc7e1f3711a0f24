import type { IncomingMessage } from "node:http";
import type { AnyServer } from "../../connectors/socket-io/connector.js";
import { GlobalChannelError } from "../../errors.js";
import {
  type SocketTokenHandler,
  socketTokenHandler,
  type SocketTokenHandlerOptions,
} from "../../tokens/http-handler.js";
import type { HttpServerOwner } from "./http-server.js";
import type { TransomMessageClient } from "./message-client.js";
import { Messaging } from "./messaging.js";
import type { TransomOptions } from "./options.js";
import type { TransomServer } from "./server.js";
import { asPayload, type TransomUser } from "./user.js";

/**
 * A Transom plugin that emits messages to users over Socket.IO, with the names of `transom-socketio-internal`. Users are reached
 * whichever process they are connected to, where the processes share a `cluster`.
 *
 * `transom.configure(plugin, options)` makes Transom call `initialize`; a process that clients are to connect to calls
 * `initializeWithServer` after it. The methods may be called without their object.
 */
export class TransomSocketIo {
  #messaging: Messaging | undefined;

  /**
   * Takes the options. With `options.cluster` it connects to it and registers a client that emits: at once, and resolves when that is
   * connected.
   * @throws `GC_INVALID_OPTION`; `GC_INVALID_ARGUMENT` also where it is initialized already, or the registry's key is taken; what the
   *   parts of the cluster throw. Nothing is left of it then
   */
  readonly initialize = async (server: TransomServer, options: TransomOptions = {}): Promise<void> => {
    if (this.#messaging) throw twice("initialize");
    const messaging = (this.#messaging = new Messaging(server, options));
    if (!messaging.isShared) return;
    try {
      await messaging.start();
    } catch (error) {
      if (this.#messaging === messaging) this.#messaging = undefined;
      throw error;
    }
  };

  /**
   * Lets clients connect: to `io`, or to a Socket.IO server that is made on `httpServer`. Who a socket's user is says
   * `options.authMiddleware`; else the registry's `transomNonce`; else a token of {@link createToken}. It is `socket.transomUser`.
   * Registers the client, unless `initialize` has: at once. Resolves it when this process is live in the cluster.
   * @param httpServer an HTTP server, or a Restify or Transom server, which stays its owner's; not needed with `io`
   * @throws `GC_NOT_STARTED` before `initialize`; `GC_INVALID_ARGUMENT`, `GC_INVALID_OPTION`; `MODULE_NOT_FOUND` where `socket.io` is
   *   not installed; what `Frontend.start` throws. It may be called again then
   */
  readonly initializeWithServer = async (
    httpServer: HttpServerOwner | undefined,
    io?: AnyServer,
  ): Promise<TransomMessageClient> => {
    const messaging = this.#initialized();
    if (messaging.isOpen) throw twice("initializeWithServer");
    await messaging.open(httpServer, io);
    return messaging.client;
  };

  /**
   * Takes this process out of the cluster, disconnects its clients, and takes what it has registered back. The HTTP server and an `io`
   * that was given stay. `initialize` may be called again then.
   */
  readonly stop = async (): Promise<void> => {
    const messaging = this.#messaging;
    this.#messaging = undefined;
    await messaging?.stop();
  };

  /**
   * Creates a token with which the user can connect once, with any process of the cluster: as `query.token` or `auth.token`. The user is
   * `socket.transomUser` then, as its JSON has it. 1 round trip to Redis.
   * @param options.ttlMs for how long it may be used, in milliseconds. @default `options.tokens.ttlMs`, 60_000
   * @throws `GC_NOT_STARTED` before `initialize`; `GC_INVALID_ARGUMENT` the user has no valid `_id`; `GC_UNSUPPORTED` the cluster has no
   *   part for tokens; what `OneTimeTokens.createToken` throws
   */
  readonly createToken = async (user: TransomUser, options?: { ttlMs?: number }): Promise<string> => {
    const messaging = this.#initialized();
    return messaging.createToken(asPayload("user", user), options);
  };

  /**
   * A handler for `GET /user/sockettoken`, which answers `{"token":"…"}`: for Restify, Express, Koa and `node:http`.
   * @param options.user says whose token a request is for. @default `request.locals.user`, where Transom has it, else `request.user`
   * @param options.path what the path of the requests ends with. @default `/user/sockettoken`
   */
  readonly socketTokenHandler = <R = IncomingMessage>(
    options: Partial<Omit<SocketTokenHandlerOptions<R>, "createToken">> = {},
  ): SocketTokenHandler =>
    socketTokenHandler<R>({
      user: loggedIn,
      ...options,
      createToken: (user) => this.createToken(user as TransomUser),
    });

  #initialized(): Messaging {
    if (this.#messaging) return this.#messaging;
    throw new GlobalChannelError("GC_NOT_STARTED", "call initialize(server, options) first");
  }
}

function loggedIn(request: unknown): unknown {
  const { locals, user } = request as { locals?: { user?: unknown }; user?: unknown };
  return locals?.user ?? user;
}

function twice(method: string): GlobalChannelError {
  return new GlobalChannelError(
    "GC_INVALID_ARGUMENT",
    `${method} was called already; call stop() first, or make another plugin with new TransomSocketIo()`,
    { argument: "server" },
  );
}
