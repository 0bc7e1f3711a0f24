import type { ChannelHistory } from "../types.js";
import type { ConformanceCase } from "./case.js";
import { appendCases } from "./histories/append.js";
import { contentCases } from "./histories/content.js";
import { endCases } from "./histories/ends.js";
import { historyInterruptionCases } from "./histories/interruption.js";
import { limitCases } from "./histories/limits.js";
import { onceCases } from "./histories/once.js";
import { keyCases } from "./histories/once-keys.js";
import { historyOrderCases } from "./histories/order.js";
import { positionCases } from "./histories/positions.js";
import { readCases } from "./histories/read.js";

export { KEPT_CHANNELS } from "./histories/kept.js";

/**
 * The contract of {@link ChannelHistory}, as cases. The instances that a harness opens must keep what `KEPT_CHANNELS` says where a
 * push does not say how much, and of no other channel anything.
 */
export function channelHistoryConformance(): ConformanceCase<ChannelHistory>[] {
  return [
    ...appendCases,
    ...historyOrderCases,
    ...limitCases,
    ...contentCases,
    ...readCases,
    ...positionCases,
    ...endCases,
    ...onceCases,
    ...keyCases,
    ...historyInterruptionCases,
  ];
}
