import { TransomSocketIo } from "./plugin.js";

export type { HttpServerOwner } from "./http-server.js";
export { TransomMessageClient } from "./message-client.js";
export type { SocketMiddleware, TransomOptions } from "./options.js";
export { TransomSocketIo } from "./plugin.js";
export type { TransomServer } from "./server.js";
export type { TransomUser } from "./user.js";
export {
  socketTokenHandler as makeSocketTokenHandler,
  type SocketTokenHandler,
  type SocketTokenHandlerOptions,
} from "../../tokens/http-handler.js";
export { OneTimeTokens, type OneTimeTokensOptions } from "../../tokens/one-time-tokens.js";
export { tokenMiddleware, type TokenMiddlewareOptions } from "../../tokens/socket-middleware.js";

/** The plugin of this process, as `require("@transomjs/transom-socketio-internal")` was. */
const plugin = new TransomSocketIo();

export const { initialize, initializeWithServer, stop, createToken, socketTokenHandler } = plugin;
export default plugin;
