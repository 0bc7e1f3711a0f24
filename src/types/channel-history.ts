import type { Awaitable } from "./awaitable.js";
import type { ClientMessage } from "./connector.js";

/** How much of a channel is kept. */
export interface HistoryLimits {
  /** How many of the last messages. */
  size: number;
  /** For how long after the last message that was kept, in milliseconds. */
  ttlMs: number;
}

/**
 * A place in the history of a channel: behind the message with this offset. In an epoch each message has the offset of the one before
 * plus 1. A new epoch begins where the store cannot say that it has kept all of them: it is another one, was restarted, has failed over
 * or was emptied, or nothing was pushed for long.
 */
export interface HistoryPosition {
  /** 1 to 64 letters, digits, `_` and `-`, as it goes through requests and URLs; not `none`. */
  epoch: string;
  offset: number;
}

/** The place of a message in the history of one of its channels. */
export interface ChannelPosition extends HistoryPosition {
  name: string;
}

/** What is kept of a push. */
export interface HistoryEntry extends ClientMessage {
  /** The type of frontends that it was for. */
  stype: string;
  /** Who was left out. */
  except: readonly string[];
  /** Its channels: there may be others that keep it, too. */
  names: readonly string[];
}

/** A message that is kept. */
export interface KeptEntry extends HistoryEntry {
  offset: number;
  /**
   * When it was kept, in milliseconds since 1970 with fractions, on the clock of the store: of messages of several channels it says, as
   * well as that clock is right, which was first.
   */
  at: number;
}

/** What a push asks of the history. */
export interface HistoryAppend {
  entry: HistoryEntry;
  /** For each of the channels, in the order of their names: how much is to be kept; undefined: not this message. */
  limits: readonly (HistoryLimits | undefined)[];
  /** A push to these channels with this key is done once in 5 minutes. No channels: one that is not to channels. */
  idempotencyKey?: string | undefined;
}

/** What has become of it. */
export interface Appended {
  /** Of each channel that keeps it: where it is; in the order of their names in the entry. */
  positions: readonly ChannelPosition[];
  /** There was one with this key: nothing was done now. What is known of that one: `""` as long as it is under way. */
  repeated?: string | undefined;
}

/** What is asked of a history. */
export interface HistoryRange {
  /** The entries with offsets above this. */
  after: number;
  /** And not above this. @default all of those */
  until?: number | undefined;
  /** How many entries at most. It may be fewer where they are large, but one if there is one. */
  limit: number;
  /** The newest first. */
  reverse: boolean;
}

/** A part of a history, read in one step. */
export interface HistoryPage {
  /** The newest message; undefined: the channel has no epoch. */
  position: HistoryPosition | undefined;
  entries: readonly KeptEntry[];
  /**
   * Where earlier epochs ended, as far as is known, after which this one goes on with what was kept of them: what follows such a place is
   * kept with the offsets that it had, whatever else the epoch had.
   */
  former?: readonly HistoryPosition[] | undefined;
}

/**
 * What was pushed to channels lately, and which pushes were done already. Names, `start`, `stop` and errors: see `ChannelManager`.
 *
 * An epoch ends with anything after which the history may lack a message that somebody has had: none is ever continued with other
 * messages under the same offsets.
 */
export interface ChannelHistory {
  start?(): Awaitable<void>;
  stop?(force?: boolean): Awaitable<void>;
  /** Whether {@link append} returns what it has done, not a promise: a push is then kept in the moment in which it is sent. @default false */
  readonly appendsAtOnce?: boolean;
  /** How much of a channel is kept where a push does not say; undefined: nothing. Costs nothing: no round trip. */
  limitsOf(name: string): HistoryLimits | undefined;
  /**
   * Keeps a message for each of the channels with limits, in one step: it is kept there with a position, or not at all. Those of one caller
   * to one channel are kept in the order of the calls. With a key that was there already nothing is done. Of those that come with one key at
   * the same time all channels keep the same one, with its id. 1 round trip; to several channels with a key it may be 2.
   */
  append(append: HistoryAppend): Awaitable<Appended>;
  /**
   * Says what has become of the push that was the first with this key, for those who come with it later; undefined: nobody has got it,
   * and the next one is to be sent. The key's time goes on. 1 round trip.
   */
  settle(names: readonly string[], idempotencyKey: string, outcome: string | undefined): Awaitable<void>;
  /** Reads a part of a channel's history, and where it ends, in one step. 1 round trip. */
  read(name: string, range: HistoryRange): Awaitable<HistoryPage>;
  /**
   * Where each of these histories ends; one that has no epoch begins one, if there are limits for it. 1 round trip.
   * @param limits @default those of {@link limitsOf}
   */
  positions(names: readonly string[], limits?: HistoryLimits): Awaitable<(HistoryPosition | undefined)[]>;
  /** Forgets the history of a channel: its epoch ends. 1 round trip. */
  remove(name: string): Awaitable<void>;
}
