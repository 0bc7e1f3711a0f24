import { GlobalChannelError } from "../errors.js";
import type { ConnectorHost } from "../types.js";

/** Tells the host of a connector: what that throws must not end the session, nor the process. */
export function tell(connector: string, host: ConnectorHost, call: (host: ConnectorHost) => void): void {
  try {
    call(host);
  } catch (cause) {
    host.error(
      new GlobalChannelError("GC_LISTENER_FAILED", `what a ${connector} told its frontend made it throw`, { cause }),
    );
  }
}

/** What a connector throws that is given to a second frontend. */
export function servesAlready(connector: string, host: ConnectorHost, sid: string): GlobalChannelError {
  return new GlobalChannelError(
    "GC_INVALID_ARGUMENT",
    `this ${connector} serves ${host.sid} already; give each frontend a connector of its own`,
    { argument: "connector", sid },
  );
}
