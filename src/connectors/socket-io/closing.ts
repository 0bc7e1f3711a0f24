import type { AnySocket } from "./options.js";
import { webSocketUnder } from "./web-socket-under.js";

type Connection = AnySocket["conn"];

/** How long clients have to take what was written before the connector stops, in milliseconds. */
const LINGER_MS = 1000;

/** Closes a connection at once, which the client takes for a lost one. What it has not sent is dropped. */
export function cutOff(connection: Connection): void {
  const webSocket = webSocketUnder(connection);
  connection.close(true);
  // It would keep all that for 30 s more: its close frame, which is to be answered, comes last.
  webSocket?.terminate?.();
}

/** Closes a socket's connection once what was written to it is sent, or cannot be. The client takes that for a lost connection. */
export async function closeSoon(socket: AnySocket): Promise<void> {
  // It may be closed with another one of the same client.
  if (!socket.connected) return;
  const { conn } = socket;
  const { transport } = conn;
  const gone = new Promise<unknown>((resolve) => socket.once("disconnect", resolve));
  // Not before: one that waits for a poll to close by would wait for 30 s, whatever is done to it meanwhile.
  const closeIfSent = (): void => {
    if (transport.writable) conn.close();
  };
  transport.on("ready", closeIfSent);
  closeIfSent();
  const timer = setTimeout(() => cutOff(conn), LINGER_MS);
  await gone;
  clearTimeout(timer);
  transport.off("ready", closeIfSent);
}
