import { GlobalChannelError } from "../../../errors.js";

/** What is thrown for what no peer may send. Whoever reads from it closes the connection. */
export function protocolError(what: string): GlobalChannelError {
  return new GlobalChannelError("GC_PROTOCOL_ERROR", what);
}
