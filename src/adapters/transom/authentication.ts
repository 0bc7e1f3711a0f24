import type { AnyServer, AnySocket } from "../../connectors/socket-io/connector.js";
import { reportError } from "../../diagnostics.js";
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

/** Says who the users of sockets are: by the application's middleware, else by its nonces, else by this plugin's tokens. */
export function authentication(options: AuthenticationOptions): SocketMiddleware {
  const { server, authMiddleware, nonceHandler, useToken } = options;
  if (authMiddleware) return authMiddleware;
  const { registry } = server;
  const verify = registry.has(nonceHandler) ? nonceVerifier(registry.get(nonceHandler) as Nonce) : useToken;
  return tokenMiddleware<AnySocket>(verify, {
    attach: (socket, payload) => Object.assign(socket, { transomUser: payload }),
    report: (error) => reportError(server, error),
  });
}

/** The middleware of each Socket.IO server, which has no way to take one out. */
const middlewares = new WeakMap<AnyServer, SocketMiddleware>();

/** Puts the middleware in the place of the one that the server had from here. */
export function authenticateBy(io: AnyServer, middleware: SocketMiddleware): void {
  const isFirst = !middlewares.has(io);
  middlewares.set(io, middleware);
  if (isFirst) io.use((socket, next) => middlewares.get(io)!(socket, next));
}

/** The uid of a socket's user; undefined where nobody knows who that is. */
export function uidOfSocket(socket: AnySocket): string | undefined {
  const { transomUser } = socket as { transomUser?: unknown };
  return transomUser === undefined || transomUser === null ? undefined : uidOf("transomUser", transomUser);
}
