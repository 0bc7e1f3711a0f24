import type { ChannelManager } from "../types.js";
import type { ConformanceCase } from "./case.js";
import { bulkCases } from "./managers/bulk.js";
import { channelEdgeCases } from "./managers/channel-edges.js";
import { channelCases } from "./managers/channels.js";
import { endCases } from "./managers/ends.js";
import { eventCases } from "./managers/events.js";
import { evictionCases } from "./managers/eviction.js";
import { interruptionCases } from "./managers/interruption.js";
import { largeChannelCases } from "./managers/large-channels.js";
import { leaveIfUnchangedCases } from "./managers/leave-if-unchanged.js";
import { memberCases } from "./managers/members.js";
import { changedNameCases } from "./managers/names-of-changes.js";
import { nameCases } from "./managers/names.js";
import { pagingCases } from "./managers/paging.js";
import { presenceCases } from "./managers/presence.js";
import { queryCases } from "./managers/queries.js";
import { raceCases } from "./managers/races.js";
import { setCases } from "./managers/sets.js";
import { userIndexCases } from "./managers/user-index.js";
import { versionCases } from "./managers/versions.js";
import { watchedChangeCases } from "./managers/watch-changes.js";
import { watchLifeCases } from "./managers/watch-lives.js";
import { watchCases } from "./managers/watch.js";

/** The contract of {@link ChannelManager}, as cases. Those that require a capability are for managers that declare it. */
export function channelManagerConformance(): ConformanceCase<ChannelManager>[] {
  return [
    ...memberCases,
    ...channelCases,
    ...nameCases,
    ...changedNameCases,
    ...bulkCases,
    ...queryCases,
    ...pagingCases,
    ...versionCases,
    ...setCases,
    ...leaveIfUnchangedCases,
    ...watchCases,
    ...watchedChangeCases,
    ...watchLifeCases,
    ...eventCases,
    ...channelEdgeCases,
    ...presenceCases,
    ...evictionCases,
    ...userIndexCases,
    ...raceCases,
    ...endCases,
    ...largeChannelCases,
    ...interruptionCases,
  ];
}
