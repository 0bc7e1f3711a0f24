// The only value is the default, so that `require` gives the function itself.
import { signal } from "./middleware.js";

export type { SseConnectorOptions, SseHistory } from "../../connectors/sse/connector.js";
export type { KoaContext } from "./context.js";
export type { SignalMiddleware } from "./middleware.js";
export type { SignalOptions } from "./options.js";
export default signal;
