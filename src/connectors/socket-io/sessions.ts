import type { AnySocket } from "./options.js";
import { Session } from "./session.js";

/** The open sessions, by user and by socket. */
export class Sessions {
  readonly #users = new Map<string, Session[]>();
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
    const sessions = this.#users.get(uid);
    if (sessions) sessions.push(session);
    else this.#users.set(uid, [session]);
    return session;
  }

  delete(session: Session): void {
    session.release();
    this.#bySocket.delete(session.socket);
    const others = this.of(session.uid).filter((other) => other !== session);
    if (others.length > 0) this.#users.set(session.uid, others);
    else this.#users.delete(session.uid);
  }

  /** The sessions of a user. */
  of(uid: string): readonly Session[] {
    return this.#users.get(uid) ?? [];
  }

  at(socket: AnySocket): Session | undefined {
    return this.#bySocket.get(socket);
  }

  /** The users who have sessions. */
  uids(): Iterable<string> {
    return this.#users.keys();
  }

  all(): Session[] {
    return [...this.#bySocket.values()];
  }
}
