import { MemoryChannelManager } from "./managers/memory.js";
import { MemoryServerRegistry } from "./registries/memory.js";
import { MemoryTokenStore } from "./tokens/memory.js";
import { InProcessTransport } from "./transports/in-process.js";
import type { Cluster } from "./types.js";

/** A cluster within this process, that needs no server: for a first try, development and tests. */
export function memory(): Cluster {
  return {
    manager: new MemoryChannelManager(),
    registry: new MemoryServerRegistry(),
    transport: new InProcessTransport(),
    tokens: new MemoryTokenStore(),
  };
}
