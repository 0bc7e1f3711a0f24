import type { ManagerCapabilities } from "./types.js";

/** For managers that can do everything that there is. */
export const ALL_CAPABILITIES: Readonly<ManagerCapabilities> = Object.freeze({
  bulk: true,
  queries: true,
  versions: true,
  presence: true,
  eviction: true,
  events: true,
});
