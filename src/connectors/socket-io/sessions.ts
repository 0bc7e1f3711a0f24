import { SessionsByUser } from "../sessions-by-user.js";
import type { AnySocket } from "./options.js";
import { Session } from "./session.js";

/** The open sessions, by user and by socket. */
export class Sessions {
  readonly #users = new SessionsByUser<Session>();
  readonly #bySocket = new Map<AnySocket, Session>();

  get count(): number {
    return this.#bySocket.size;
  }

  get userCount(): number {
    return this.#users.size;
  }

  add(uid: string, socket: AnySocket): Session {
    const session = new Session(uid, socket);
    this.#bySocket.set(socket, session);
    this.#users.add(session);
    return session;
  }

  delete(session: Session): void {
    session.release();
    this.#bySocket.delete(session.socket);
    this.#users.delete(session);
  }

  /** The sessions of a user. */
  of(uid: string): readonly Session[] {
    return this.#users.of(uid);
  }

  at(socket: AnySocket): Session | undefined {
    return this.#bySocket.get(socket);
  }

  /** The users who have sessions. */
  uids(): Iterable<string> {
    return this.#users.uids();
  }

  all(): Session[] {
    return [...this.#bySocket.values()];
  }
}
