import type { AnyServer, AnySocket } from "../../connectors/socket-io/connector.js";
import { invalid } from "../../arguments.js";
import { reportError } from "../../diagnostics.js";
import { missingMethod } from "../../options.js";
import { type Nonce, nonceVerifier, tokenMiddleware } from "../../tokens/socket-middleware.js";
import type { SocketMiddleware } from "./options.js";
import type { TransomServer } from "./server.js";
import { uidOf } from "./user.js";

interface AuthenticationOptions {
  server: TransomServer;
  authMiddleware: SocketMiddleware | undefined;
  nonceHandler: string;
  /** Resolves the payload of one of this plugin's own tokens. */
  useToken: (token: string) => Promise<unknown>;
}

/**
 * Says who the users of sockets are: by the application's middleware, else by its nonces, else by this plugin's tokens.
 * @throws `GC_INVALID_ARGUMENT` the registry's nonces have no method `verifyNonce`
 */
export function authentication(options: AuthenticationOptions): SocketMiddleware {
  const { server, authMiddleware, nonceHandler, useToken } = options;
  if (authMiddleware) return authMiddleware;
  const { registry } = server;
  const verify = registry.has(nonceHandler) ? nonceVerifier(checkNonce(registry.get(nonceHandler))) : useToken;
  return tokenMiddleware<AnySocket>(verify, {
    attach: (socket, payload) => Object.assign(socket, { transomUser: payload }),
    report: (error) => reportError(server, error),
  });
}

/** @throws `GC_INVALID_ARGUMENT` */
function checkNonce(value: unknown): Nonce {
  const missing = missingMethod(value, ["verifyNonce"]);
  if (missing)
    throw invalid("server", value, `one whose registry's nonces can be checked: they have no method ${missing}`);
  return value as Nonce;
}

/** The middleware of each Socket.IO server, which has no way to take one out. */
const middlewares = new WeakMap<AnyServer, SocketMiddleware>();

const letIn: SocketMiddleware = (_socket, next) => next();

/** Puts the middleware in the place of the one that the server had from here. Returns what ends that. */
export function authenticateBy(io: AnyServer, middleware: SocketMiddleware): () => void {
  if (!middlewares.has(io)) {
    io.use((socket, next) => middlewares.get(io)!(socket, next));
    // Before the application's own, which are to find it.
    io.on("connection", keepUser);
  }
  middlewares.set(io, middleware);
  return () => {
    if (middlewares.get(io) === middleware) middlewares.set(io, letIn);
  };
}

/** Of a socket whose state is recovered no middleware is asked, and nothing is kept but its data. */
function keepUser(socket: AnySocket): void {
  const known = socket as AnySocket & WithUser;
  const data = socket.data as WithUser;
  if (socket.recovered) known.transomUser ??= data.transomUser;
  else if (known.transomUser !== undefined) data.transomUser = known.transomUser;
}

interface WithUser {
  transomUser?: unknown;
}

/** The uid of a socket's user; undefined where nobody knows who that is. */
export function uidOfSocket(socket: AnySocket): string | undefined {
  const { transomUser } = socket as WithUser;
  return transomUser === undefined || transomUser === null ? undefined : uidOf("transomUser", transomUser);
}
