import { TransomSocketIo } from "./plugin.js";

export type { HttpServerOwner } from "./http-server.js";
export type { TransomMessageClient } from "./message-client.js";
export type { SocketMiddleware, TransomOptions } from "./options.js";
export { TransomSocketIo } from "./plugin.js";
export type { TransomServer } from "./server.js";
export type { TransomUser } from "./user.js";

/** Where the plugin of this process is: files that import it and files that require it have two copies of this module. */
const PLUGIN = Symbol.for("globalchannel.transom");
const shared = globalThis as { [PLUGIN]?: TransomSocketIo };

/** The plugin of this process, as `require("@transomjs/transom-socketio-internal")` was. */
const plugin = (shared[PLUGIN] ??= new TransomSocketIo());

export const { initialize, initializeWithServer, stop, createToken, socketTokenHandler } = plugin;
export default plugin;
