import type { IncomingMessage, Server } from "node:http";
import type { Server as HttpsServer } from "node:https";
import { checkInteger, checkNumber, invalid } from "../../arguments.js";
import { GlobalChannelError } from "../../errors.js";
import { aFunction, amount, milliseconds, optional, resolveOptions } from "../../options.js";
import type { Awaitable } from "../../types.js";

/** Options of {@link WebSocketConnector}. Exactly one of `server` and `port` must be given. */
export interface WebSocketConnectorOptions {
  /** Accept clients on this server. It stays its owner's: the connector neither makes it listen nor closes it. */
  server?: Server | HttpsServer | undefined;
  /** Accept clients on a server of the connector's own, at this TCP port; 0 is any free one, see `address()`. */
  port?: number | undefined;
  /** Where the own server listens. @default all interfaces */
  host?: string | undefined;
  /** Accept only upgrade requests to this path, given without query. @default any path */
  path?: string | undefined;
  /**
   * Says who the client is that sent this upgrade request. If it throws or rejects, gives no valid uid, or takes too long,
   * the client is closed with code 4401. (A refused handshake would not tell a browser why.) What the client sends meanwhile
   * is kept for later. Where cookies say who it is, check `request.headers.origin` too: browsers send them from any page.
   */
  authenticate: (request: IncomingMessage) => Awaitable<string | number>;
  /** How long `authenticate` may take. @default 10_000 */
  authTimeoutMs?: number | undefined;
  /**
   * A client that has more than this unsent when the next message comes is closed with code 1013: it cannot keep up.
   * @default 1_048_576
   */
  maxBufferedBytes?: number | undefined;
  /** How often clients are pinged. One that has not answered by its next ping is cut off. @default 30_000 */
  heartbeatMs?: number | undefined;
  /** The largest message from a client; a larger one closes it with code 1009. @default 65_536 */
  maxClientMessageBytes?: number | undefined;
}

/** `ws` keeps the limit as a signed 32-bit integer; a larger one would come out as no limit. */
const MAX_PAYLOAD_BYTES = 2 ** 31 - 1;

/** @throws `GC_INVALID_OPTION` */
export function resolveWebSocketOptions(given: WebSocketConnectorOptions) {
  const options = resolveOptions("WebSocketConnector", given, {
    server: optional((option, value) => {
      if (typeof (value as Server | null)?.on !== "function") throw invalid(option, value, "an HTTP or HTTPS server");
      return value as Server | HttpsServer;
    }),
    port: optional((option, value) => checkInteger(option, value, { min: 0, max: 65_535 })),
    host: optional((option, value) => {
      if (typeof value !== "string" || value === "") throw invalid(option, value, "a non-empty string");
      return value;
    }),
    path: optional((option, value) => {
      if (typeof value !== "string" || !/^\/[^?#]*$/.test(value))
        throw invalid(option, value, "a path that begins with /");
      return value;
    }),
    authenticate: aFunction<WebSocketConnectorOptions["authenticate"]>(),
    authTimeoutMs: milliseconds(10_000),
    maxBufferedBytes: amount(1_048_576),
    heartbeatMs: milliseconds(30_000),
    maxClientMessageBytes: (option, value) => checkNumber(option, value ?? 65_536, { min: 1, max: MAX_PAYLOAD_BYTES }),
  });
  if ((options.server === undefined) === (options.port === undefined)) {
    throw new GlobalChannelError("GC_INVALID_OPTION", "WebSocketConnector needs either server or port, and not both", {
      argument: "port",
    });
  }
  if (options.server !== undefined && options.host !== undefined) {
    throw new GlobalChannelError("GC_INVALID_OPTION", "WebSocketConnector: host goes with port, not with server", {
      argument: "host",
    });
  }
  return options;
}
