import { type HistoryPatterns, historyPatterns } from "./history-limits.js";
import { MemoryChannelHistory } from "./histories/memory.js";
import { MemoryChannelManager } from "./managers/memory.js";
import { resolveOptions } from "./options.js";
import { MemoryServerRegistry } from "./registries/memory.js";
import { MemorySubscriberStore } from "./subscribers/memory.js";
import { MemoryTokenStore } from "./tokens/memory.js";
import { InProcessTransport } from "./transports/in-process.js";
import type { Cluster } from "./types.js";

export interface MemoryClusterOptions {
  /** Which channels keep how much. @default none, but for pushes that say so */
  history?: HistoryPatterns | undefined;
}

/**
 * A cluster within this process, that needs no server: for a first try, development and tests.
 * @throws `GC_INVALID_OPTION`
 */
export function memory(options: MemoryClusterOptions = {}): Cluster {
  const { history } = resolveOptions("memory", options, { history: historyPatterns });
  return {
    manager: new MemoryChannelManager(),
    registry: new MemoryServerRegistry(),
    transport: new InProcessTransport(),
    history: new MemoryChannelHistory({ channels: history }),
    subscribers: new MemorySubscriberStore(),
    tokens: new MemoryTokenStore(),
  };
}
