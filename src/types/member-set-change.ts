import type { JoinReason, LeaveReason, Version } from "./membership.js";

/** One member set, without its members. */
export interface MemberSetInfo {
  sid: string;
  version: Version;
  /** How many members. */
  count: number;
  /** All members at `version`, each once, where they came along (see `ChannelManager.getMemberSets`). */
  uids?: readonly string[];
}

/**
 * A change of one member set, in the order in which the store made it.
 *
 * `created` and `emptied` are for `ChannelManager.watchAll`: with this change the channel has got its first member, or
 * lost its last one, all frontends together. The store decides that: of any number of joins, at any frontends, exactly one
 * creates, and exactly one leave, or `clear`, empties; those of one channel are told in turn, whatever frontends they are at.
 * A manager that leaves them out gives no `channel-created` and `channel-emptied` events.
 */
export type MemberSetChange =
  /** Also told of an `add` that changes nothing, with no uids: it raises the version all the same. */
  | {
      type: "join";
      name: string;
      sid: string;
      /** The version that this change made. */
      version: Version;
      uids: readonly string[];
      reason: JoinReason;
      created?: true;
    }
  | {
      type: "leave";
      name: string;
      sid: string;
      /** The version that this change made, or undefined where a `clear` has told of it already. */
      version: Version | undefined;
      uids: readonly string[];
      reason: LeaveReason;
      emptied?: true;
    }
  /** The whole set is gone; `leave` changes without a version tell who was in it. */
  | { type: "clear"; name: string; sid: string; emptied?: true };

/** What is in doubt of all that was learnt from changes. */
export interface ChangeGap {
  /** Whether it is about this channel. @default it is about all of them */
  concerns?: (name: string) => boolean;
  /**
   * Whether the store may also have lost changes that it had made and told of, as one that has failed over to a replica. For stores
   * that keep those out of a join with the reason `restored` who were told to leave meanwhile: members whom frontends know and the
   * store does not are restored then (see `RestoredMembership`). @default false
   */
  mayHaveLost?: boolean;
}

/** What `ChannelManager.watch` tells. */
export interface ChangeListener {
  change(change: MemberSetChange): void;
  /** Changes may have been missed (a connection was lost and is back); what was learnt from changes is stale. */
  gap?(gap?: ChangeGap): void;
  /** Changes are not told from now on, until a {@link gap} says that they are again. @default nothing is known before the gap */
  interrupted?(gap?: ChangeGap): void;
  /**
   * These are no members, and nobody is to restore them: somebody has called `leave` for them, or they were to be restored and had been
   * taken out meanwhile. Told, in order with the changes, by stores that may lose data.
   */
  absent?(name: string, uids: readonly string[]): void;
}
