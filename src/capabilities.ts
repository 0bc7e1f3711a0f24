import type { ChannelManager, ManagerCapabilities } from "./types.js";

/** For managers that can do everything that there is. */
export const ALL_CAPABILITIES: Readonly<ManagerCapabilities> = Object.freeze({
  bulk: true,
  queries: true,
  versions: true,
  presence: true,
  eviction: true,
  events: true,
  userIndex: true,
});

/** For managers whose users' channels are known to the frontends only: an index of them would be one more entry for each membership. */
export const ALL_BUT_USER_INDEX: Readonly<ManagerCapabilities> = Object.freeze({
  ...ALL_CAPABILITIES,
  userIndex: false,
});

/** The methods that each capability brings. */
export const CAPABILITY_METHODS = {
  bulk: ["addMany", "leaveMany"],
  queries: ["findMember", "scanMembers"],
  versions: ["getMemberSets", "readMemberSet", "getChannelsBySid", "watch", "leaveIfUnchanged"],
  presence: ["connect", "disconnect", "getSessions", "countUsers"],
  eviction: ["getServers", "evict"],
  events: ["watchAll"],
  userIndex: ["getMembershipsByUid"],
} as const satisfies Record<keyof ManagerCapabilities, readonly (keyof ChannelManager)[]>;
