import type { Socket } from "node:net";
import type { AnyResponse } from "./http-types.js";

/** Whether nobody gets this response any more. */
export function isGone(response: AnyResponse): boolean {
  // The first is that of HTTP/2, whose responses do not say so themselves.
  if ("stream" in response) return response.stream.destroyed;
  return response.destroyed || response.req.socket.destroyed;
}

/** Calls back once nobody gets this response any more; soon, where that is so already. */
export function whenGone(response: AnyResponse, gone: () => void): void {
  if (isGone(response)) {
    queueMicrotask(gone);
    return;
  }
  response.once("close", gone);
  if (response.socket) return;
  // One that waits for another response of its connection is told nothing when that closes.
  const { socket } = response.req;
  const waiting = waitingFor(socket);
  waiting.add(gone);
  response.once("close", () => waiting.delete(gone));
}

const waitingOf = new WeakMap<Socket, Set<() => void>>();

/** Who is called back when this connection closes: however many there are, it has one listener. */
function waitingFor(connection: Socket): Set<() => void> {
  const known = waitingOf.get(connection);
  if (known) return known;
  const waiting = new Set<() => void>();
  waitingOf.set(connection, waiting);
  connection.once("close", () => {
    for (const gone of waiting) gone();
  });
  return waiting;
}
