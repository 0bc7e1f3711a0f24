import type { Unsubscribe } from "../types.js";
import type { Keys } from "./keys.js";
import type { Probe } from "./prober.js";
import type { SubscriptionListener } from "./subscription.js";

/**
 * The subscriptions of one process. After a loss of a connection they are made again first, and then each listener is told of the
 * gap; so nothing that is sent after that is missed. A connection on which one of them has died is thrown away, and
 * `globalchannel:error` told of it.
 */
export interface Subscriptions {
  /** Resolves once no message to these pub/sub channels can be missed. */
  subscribe(channels: readonly string[], listener: SubscriptionListener): Promise<Unsubscribe>;
  /** The same for the changes at every sid, in some partitions: the listener gets the sid (escaped) in the place of the channel. */
  subscribeToChanges(partitions: readonly Keys[], listener: SubscriptionListener): Promise<Unsubscribe>;
  /** Resolves once every message that was published to the channel before has been handed to its listeners, or is lost. */
  catchUp(channel: string): Promise<void>;
  /**
   * Has a command that is made anyway carry a probe of the subscriptions where it can, so that it costs none of its own. Resolves
   * and rejects as `send` does.
   * @param send makes the command, with the probe that it is to publish, which may be nothing
   */
  carryProbe<T>(send: (probe: Probe) => Promise<T>): Promise<T>;
}
