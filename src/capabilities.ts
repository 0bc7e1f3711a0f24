import type { ChannelManager, ManagerCapabilities } from "./types.js";

/** For managers that can do everything that there is. */
export const ALL_CAPABILITIES: Readonly<ManagerCapabilities> = Object.freeze({
  bulk: true,
  queries: true,
  versions: true,
  presence: true,
  eviction: true,
  events: true,
});

/** The methods that each capability brings. */
export const CAPABILITY_METHODS = {
  bulk: ["addMany", "leaveMany"],
  queries: ["findMember", "scanMembers"],
  versions: ["getMemberSets", "readMemberSet", "getChannelsBySid", "watch", "leaveIfUnchanged"],
  presence: ["connect", "disconnect", "getSessions", "countUsers"],
  eviction: ["getServers", "evict"],
  events: ["watchAll"],
} as const satisfies Record<keyof ManagerCapabilities, readonly (keyof ChannelManager)[]>;
