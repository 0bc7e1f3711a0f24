import { GlobalChannelError, invalidToken, isGlobalChannelError } from "../errors.js";

/** What is used of a Socket.IO socket that is not connected yet. */
export interface ConnectingSocket {
  readonly handshake: {
    readonly auth: Readonly<Record<string, unknown>>;
    readonly query: Readonly<Record<string, unknown>>;
  };
  /** The connection under it. */
  readonly conn: { close(): unknown };
}

export interface TokenMiddlewareOptions<S extends ConnectingSocket> {
  /** Notes whose socket it is, before it is connected. What it throws, or its promise rejects with, keeps the socket out. */
  attach: (socket: S, payload: unknown) => unknown;
  /** Is told why a token could not be checked. */
  report: (error: GlobalChannelError) => void;
}

/** A middleware as Socket.IO calls it (`io.use`). */
export type SocketMiddleware<S extends ConnectingSocket> = (socket: S, next: (error?: Error) => void) => void;

/** What is taken for a token, in characters: more is not asked about. */
const MAX_TOKEN_CHARACTERS = 4096;
/** How long a client has to read why it is refused, in milliseconds. */
const CLOSE_DELAY_MS = 20;
/** How long the check of a nonce may take, in milliseconds. */
const NONCE_TIMEOUT_MS = 10_000;

/**
 * Makes a Socket.IO middleware that lets in whoever has a token: in `auth.token`, or, where that is not given, in `query.token` of the
 * handshake, once, as a string of up to 4,096 characters. Others get a `connect_error` with the message `INVALID_TOKEN`, and those whose
 * token could not be checked one with `TOKEN_NOT_CHECKED` and `data: { code, temporary }`. In both cases the connection is closed
 * 20 ms later, with all the namespaces on it.
 *
 * @param verify resolves the payload of a token, or rejects: with `GC_INVALID_TOKEN` where it is refused
 */
export function tokenMiddleware<S extends ConnectingSocket>(
  verify: (token: string) => Promise<unknown>,
  { attach, report }: TokenMiddlewareOptions<S>,
): SocketMiddleware<S> {
  async function admit(socket: S): Promise<void> {
    const payload = await verify(tokenOf(socket));
    await attach(socket, payload);
  }

  async function refusal(socket: S): Promise<Error | undefined> {
    try {
      await admit(socket);
      return undefined;
    } catch (cause) {
      // Socket.IO tells the client, and leaves the connection open: its own `disconnect(true)` does nothing before a socket is connected.
      setTimeout(() => socket.conn.close(), CLOSE_DELAY_MS).unref();
      if (isInvalidToken(cause)) return new Error("INVALID_TOKEN");
      const error = isGlobalChannelError(cause)
        ? cause
        : new GlobalChannelError("GC_LISTENER_FAILED", "what checks or takes the tokens of sockets failed", { cause });
      report(error);
      return Object.assign(new Error("TOKEN_NOT_CHECKED"), {
        data: { code: error.code, temporary: error.temporary },
      });
    }
  }

  return (socket, next) => void refusal(socket).then(next);
}

function isInvalidToken(error: unknown): boolean {
  return isGlobalChannelError(error) && error.code === "GC_INVALID_TOKEN";
}

/** @throws `GC_INVALID_TOKEN` there is none */
function tokenOf({ handshake }: ConnectingSocket): string {
  const token: unknown = handshake.auth["token"] ?? handshake.query["token"];
  if (typeof token !== "string" || token === "" || token.length > MAX_TOKEN_CHARACTERS) throw invalidToken();
  return token;
}

/** What checks tokens by calling back, once, as those of transom-socketio-internal do. */
export interface Nonce {
  verifyNonce(token: string, callback: (error: unknown, payload?: unknown) => void): unknown;
}

/**
 * Makes of a nonce what {@link tokenMiddleware} verifies with. It rejects with `GC_INVALID_TOKEN` where the nonce calls back with an error,
 * with what the nonce throws or rejects with, and with `GC_TIMEOUT` where it has not called back within 10 s. Only its first answer counts.
 */
export function nonceVerifier(nonce: Nonce): (token: string) => Promise<unknown> {
  return (token) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(new GlobalChannelError("GC_TIMEOUT", `verifyNonce did not call back within ${NONCE_TIMEOUT_MS} ms`)),
        NONCE_TIMEOUT_MS,
      );
      const settle = (error: unknown, payload?: unknown): void => {
        clearTimeout(timer);
        if (error) reject(invalidToken(error));
        else resolve(payload);
      };
      // Async, so that one that is itself may reject: it could not check, which says nothing of the token.
      const call = async (): Promise<unknown> => nonce.verifyNonce(token, settle);
      call().catch((error: Error) => {
        clearTimeout(timer);
        reject(error);
      });
    });
}
