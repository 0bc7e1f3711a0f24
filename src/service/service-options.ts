import { checkCluster } from "../cluster/check-cluster.js";
import { aBoolean, amount, graceMs, leaveDelayMs, milliseconds, resolveOptions, timeoutMs } from "../options.js";
import type { ClusterInput } from "../types.js";

export interface GlobalChannelServiceOptions {
  cluster: ClusterInput;
  /** How long a push waits for the frontends' answers, in milliseconds. @default 5000 */
  timeoutMs?: number;
  /** The largest message, in bytes of its JSON. @default 1048576 */
  maxMessageBytes?: number;
  /** How many pushes may be under way at the same time. @default 10000 */
  maxPendingPushes?: number;
  /**
   * How many other calls may be under way at the same time. Each of the memberships of `addMany` and `leaveMany` counts; one call
   * of more than there may be is let in while no other is under way. One takes about 1.5 KB. @default 100000
   */
  maxPendingCalls?: number;
  /** How long after the end of a frontend's lease its members are removed for good, in milliseconds. @default 10000 */
  graceMs?: number;
  /**
   * How often this service looks for dead frontends, in milliseconds: 1 call of the registry. For members at sids that no frontend
   * has a lease on it looks once in a `graceMs`: 2 calls. @default 1000
   */
  reapIntervalMs?: number;
  /**
   * For how long the `leave` of a user is held back who may come back, in milliseconds: if the user joins that channel again
   * within it, at the same or another frontend, neither is told. Nor is the leave of one who has joined at another frontend up
   * to that long before, or, where its own has died, `graceMs` and 3 s longer: for that long joins are kept in mind. The same holds
   * for `channel-emptied` and `channel-created`. @default 0
   */
  leaveDelayMs?: number;
  /**
   * Whether a push takes members out whom their frontend does not know, where the frontend does not do that itself because
   * the transport is one that names uids. Give the same to {@link Frontend}. @default true
   */
  autoLeave?: boolean;
}

/** @throws `GC_INVALID_OPTION` */
export function resolveServiceOptions(options: GlobalChannelServiceOptions) {
  return resolveOptions("GlobalChannelService", options, {
    cluster: checkCluster,
    timeoutMs,
    maxMessageBytes: amount(1024 * 1024),
    maxPendingPushes: amount(10_000),
    maxPendingCalls: amount(100_000),
    graceMs,
    reapIntervalMs: milliseconds(1000, 10),
    leaveDelayMs,
    autoLeave: aBoolean(true),
  });
}
