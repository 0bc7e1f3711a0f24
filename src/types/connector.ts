import type { Awaitable } from "./awaitable.js";

/** A message as its receivers get it. */
export interface ClientMessage {
  route: string;
  /** The message as JSON text. */
  body: string;
}

/** What a connector tells its frontend. */
export interface ConnectorHost {
  readonly sid: string;
  /** A session of `uid` has opened; once per session. */
  opened(uid: string): void;
  /** A session of `uid` has closed; once per opened session. */
  closed(uid: string): void;
  /** A client has sent a message. Resolves when it is handled: of a client that has many that are not, no more should be read. */
  message(uid: string, route: string, msg: unknown): Awaitable<void>;
  /** Something failed that nobody waits for. */
  error(error: Error): void;
}

/** How does a frontend hand a message to its client connections? */
export interface Connector {
  /** Begins to accept clients. */
  start?(host: ConnectorHost): Awaitable<void>;
  /** Closes all sessions (each is reported to the host) and accepts no more. */
  stop?(): Awaitable<void>;
  /**
   * Writes the message to every session of these users, in the order of the calls, without waiting for the clients. Throws or
   * rejects only where nobody has got it: all of them count as *failed* then.
   * @returns the uids that have no session here (or whose only sessions could not take it)
   */
  deliver(uids: ReadonlySet<string>, message: ClientMessage): Awaitable<readonly string[]>;
  /** The same for every user who has a session and is not in `except`; returns how many users have got it. */
  deliverToAll(message: ClientMessage, except: ReadonlySet<string>): Awaitable<number>;
}
