export {
  type AnyNamespace,
  type AnyServer,
  type AnySocket,
  type ChannelRooms,
  type MembershipService,
  SocketIoConnector,
  type SocketIoConnectorOptions,
  type SocketIoConnectorStats,
} from "./connector.js";
export {
  socketTokenHandler,
  type SocketTokenHandler,
  type SocketTokenHandlerOptions,
} from "../../tokens/http-handler.js";
export { OneTimeTokens, type OneTimeTokensOptions } from "../../tokens/one-time-tokens.js";
export {
  type ConnectingSocket,
  type Nonce,
  nonceVerifier,
  type SocketMiddleware,
  tokenMiddleware,
  type TokenMiddlewareOptions,
} from "../../tokens/socket-middleware.js";
