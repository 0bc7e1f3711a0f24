import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";

type AnyResponse = ServerResponse & Partial<Pick<Http2ServerResponse, "stream">>;

/** Whether nobody gets this response any more. */
export function isGone(response: AnyResponse): boolean {
  return [response, response.req.socket, response.stream].some((part) => part?.destroyed === true);
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
