import type { AnyNamespace, AnySocket } from "./options.js";
import type { Session } from "./session.js";

/*
 * Each socket is in a room that is named by its id, by which a broadcast reaches it. Applications may let a client into any room that it
 * names, also into that one of another client, or take a socket out of its own.
 */

/** Whether a broadcast to its own room reaches the socket. */
export function isInOwnRoom({ adapter }: AnyNamespace, { id }: AnySocket): boolean {
  return adapter.rooms.get(id)?.has(id) ?? false;
}

/** The own rooms of those who are alone in them, and the sessions of the others, who need a broadcast each. */
export function splitByOwnRoom({ adapter }: AnyNamespace, sessions: readonly Session[]) {
  const rooms: string[] = [];
  const crowded: Session[] = [];
  for (const session of sessions) {
    const { id } = session.socket;
    if (adapter.rooms.get(id)?.size === 1) rooms.push(id);
    else crowded.push(session);
  }
  return { rooms, crowded };
}

/** A broadcast to this socket and to nobody else in its room. */
export function toAlone({ adapter, local }: AnyNamespace, { id }: AnySocket) {
  const others = [...(adapter.rooms.get(id) ?? [])].filter((other) => other !== id);
  return local.to(id).except(others);
}
