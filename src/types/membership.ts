/** A user at a frontend. */
export interface Member {
  uid: string;
  sid: string;
}

/** A member of the channel `name`. */
export interface Membership extends Member {
  name: string;
}

/** A membership that a frontend restores. */
export interface RestoredMembership extends Membership {
  /** How long ago, in milliseconds, the frontend heard that the user had left, if it has; it has heard since that it is back. */
  leftMsAgo?: number;
}

/** Why a member joined: somebody added it, or its frontend registered it again after the store had lost it. */
export type JoinReason = "join" | "restored";

/** Why a member left: it was taken out, its last session closed, its frontend died, or the channel was destroyed. */
export type LeaveReason = "leave" | "disconnect" | "server-down" | "destroyed";

/** What `service.on('join')` and `service.on('leave')` listeners get. */
export interface MembershipEvent extends Membership {
  reason: JoinReason | LeaveReason;
}

/** What `service.on('channel-created')` and `service.on('channel-emptied')` listeners get. */
export interface ChannelEvent {
  name: string;
  /** The frontend of the change that did it, and its reason. */
  sid: string;
  reason: JoinReason | LeaveReason;
}

/** What `service.on('gap')` listeners get. */
export interface EventsGap {
  /** Whether events of this channel may have been missed. */
  concerns: (name: string) => boolean;
}

/**
 * The version of a member set: `<epoch>.<counter>`. The epoch is new whenever an empty set gets its first member, where the
 * counter is 1; each later change adds 1. Versions of different epochs have no order.
 */
export type Version = string;
