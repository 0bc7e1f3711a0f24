import type { Writable } from "node:stream";
import type { AnySocket } from "./options.js";

/** As much as is used of a WebSocket of `ws`; other engines than Engine.IO's own may have none of it. */
interface WebSocketUnder {
  terminate?(): void;
  /** The connection under it. */
  _socket?: Partial<Pick<Writable, "cork" | "uncork">> | null;
}

/** The WebSocket that a connection is on now, which Engine.IO keeps to itself; undefined where it is on another transport. */
export function webSocketUnder({ transport }: AnySocket["conn"]): WebSocketUnder | undefined {
  return (transport as unknown as { socket?: WebSocketUnder }).socket;
}
