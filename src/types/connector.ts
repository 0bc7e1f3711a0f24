import type { Awaitable } from "./awaitable.js";
import type { ChannelPosition, HistoryPosition } from "./channel-history.js";
import type { UsersReply } from "./rpc-transport.js";

/** A message as its receivers get it. */
export interface ClientMessage {
  route: string;
  /** The message as JSON text. */
  body: string;
  /** Of a push that is kept: where, in the histories of its channels that its receivers are members of. */
  positions?: readonly ChannelPosition[] | undefined;
  /** Of one that is kept in several: names it, as it may come out of each. */
  id?: string | undefined;
  /** Of one with an id: all its channels. */
  names?: readonly string[] | undefined;
  /** Of one that comes out of a history: when it was kept, as in `KeptEntry`. */
  at?: number | undefined;
}

/** What a user has missed of a channel. */
export interface Recovered {
  /** Where these messages end; a channel that keeps nothing has the epoch `none`, which no other is called. */
  position: HistoryPosition;
  /** Those that were for this user, in order; each has one position. */
  messages: readonly ClientMessage[];
  /** Whether there are more of them after `position`. */
  hasMore: boolean;
  /** Whether messages are not kept any more that the user may have missed: then there are none, and `position` is the newest. */
  hasGap: boolean;
}

/** How sessions go on where they were: see `SessionHistory` in connectors/session-history.ts, which does all of it for a connector. */
export interface HistoryReader {
  /** Whether a channel keeps history, as far as that is known without asking. */
  keeps(name: string): boolean;
  /** What is kept for a user after a position, or a part of it. @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR` */
  recover(uid: string, name: string, since: HistoryPosition): Promise<Recovered>;
  /**
   * The same without a gap: what is not kept any more is left out, and after another epoch comes what is kept of this one, and of that as
   * far as it is known.
   */
  recoverRest(uid: string, name: string, since: HistoryPosition): Promise<Recovered>;
  /**
   * Where a channel's history ends, once every message up to there has been delivered that was for a member of now; undefined: it
   * keeps none. @throws as {@link recover}
   */
  settledPosition(name: string): Promise<HistoryPosition | undefined>;
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
  /**
   * The channels of a user at this frontend, as far as the frontend knows; those that it learns of later come by
   * {@link Connector.joined}. Not there without the manager's capability `versions`.
   */
  channelsOf?(uid: string): readonly string[];
  /** What was pushed lately. Not there where the cluster has no `history`, or the manager no `versions`. */
  readonly history?: HistoryReader | undefined;
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
   * Where clients acknowledge, what it returns resolves when they have; the next message is written meanwhile.
   * @returns who has not got it
   */
  deliver(uids: ReadonlySet<string>, message: ClientMessage): Awaitable<Undelivered>;
  /** The same for every user who has a session and is not in `except`; returns how many users have got it. */
  deliverToAll(message: ClientMessage, except: ReadonlySet<string>): Awaitable<number | DeliveredToAll>;
  /**
   * Closes every session of these users, after what was delivered to them before. Where a connector lacks it, users cannot be
   * disconnected.
   * @returns the uids that have no session here
   */
  disconnectUsers?(uids: ReadonlySet<string>, options: DisconnectOptions): Awaitable<readonly string[]>;
  /**
   * The user, with or without a session, has become a member of the channel at this frontend, or is none any more: in turn for
   * each user and channel, as soon as the frontend knows, which is mostly a moment after the call. Is told of every member of
   * the frontend, unless the manager lacks the capability `versions`.
   */
  joined?(uid: string, name: string): void;
  left?(uid: string, name: string): void;
  /**
   * Pushes to users of this frontend may not have come, and what is sent from now on comes: sessions that go on where they were are to look
   * for them (`SessionHistory.lookForMissed`).
   */
  missed?(): void;
}

/** The uids that have no session here (or whose only sessions could not take it), and of whom it is not known. */
export type Undelivered = readonly string[] | Pick<UsersReply, "failed" | "unknown">;

/** How many users have got it, and the uids of those of whom it is not known. */
export type DeliveredToAll = Pick<UsersReply, "delivered" | "unknown">;

export interface DisconnectOptions {
  /**
   * Whether the connection under a session is closed too, where one can carry several: the namespaces of Socket.IO. Elsewhere
   * it always is.
   */
  close: boolean;
}
