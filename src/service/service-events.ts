import type { ChannelEvent, EventsGap, MembershipEvent } from "../types.js";

/**
 * The events of a service, of the whole cluster, each about one membership (a user at a frontend) or one channel, as the store
 * made it. Delivery class: at most once; what is missed while the store is out of reach is not told later, but for that it may have been.
 *
 * With `leaveDelayMs` users who come back in time, to whatever frontend, give no `leave`; see {@link LeaveDelay}.
 */
export interface ServiceEvents {
  /** A member has joined. */
  join: [MembershipEvent];
  /** A member has left; `reason` says why. */
  leave: [MembershipEvent];
  /**
   * A channel has got its first member, at whatever frontend: told before the `join` events of that change. `reason` is
   * `restored` where the store had lost the channel.
   */
  "channel-created": [ChannelEvent];
  /**
   * A channel has lost its last member: told after the `leave` events of that change. Where it was destroyed, told at once, before
   * the `leave` events of those who were in it: it may be created again before all of them are told. Between two of these
   * events of a channel there is one `channel-created`, of any number of services the same ones.
   */
  "channel-emptied": [ChannelEvent];
  /**
   * Events may have been missed: the store was out of reach, and is back, or it was not to be listened to when the first listener came.
   * Who keeps what these events tell reads it again; not at once, as a store that has lost its members gets them back from their
   * frontends, which takes some seconds.
   */
  gap: [EventsGap];
}

export const SERVICE_EVENTS = [
  "join",
  "leave",
  "channel-created",
  "channel-emptied",
  "gap",
] as const satisfies readonly [...(keyof ServiceEvents)[]];

/** Tells an event of a membership or a channel. */
export type TellEvent = <T extends Exclude<keyof ServiceEvents, "gap">>(type: T, event: ServiceEvents[T][0]) => void;
