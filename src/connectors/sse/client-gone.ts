import type { Socket } from "node:net";
import type { AnyResponse } from "./http-types.js";

/** Whether nobody gets this response any more. */
export function isGone(response: AnyResponse): boolean {
  // The first is that of HTTP/2, whose responses do not say so themselves.
  if ("stream" in response) return response.stream.destroyed;
  return response.destroyed || response.req.socket.destroyed;
}

/** Resolves when nobody gets this response any more. */
export async function whenGone(response: AnyResponse): Promise<void> {
  if (isGone(response)) return;
  const closed = new Promise<void>((resolve) => response.once("close", () => resolve()));
  // One that waits for another response of its connection is told nothing when that closes.
  await (response.socket ? closed : Promise.race([closed, endOf(response.req.socket)]));
}

const ends = new WeakMap<Socket, Promise<void>>();

/** The same promise each time: however many responses wait for one connection, that has one listener. */
function endOf(connection: Socket): Promise<void> {
  const known = ends.get(connection);
  if (known) return known;
  const end = new Promise<void>((resolve) => connection.once("close", () => resolve()));
  ends.set(connection, end);
  return end;
}
