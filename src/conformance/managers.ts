import type { ChannelManager } from "../types.js";
import type { ConformanceCase } from "./case.js";
import { bulkCases } from "./managers/bulk.js";
import { channelCases } from "./managers/channels.js";
import { eventCases } from "./managers/events.js";
import { evictionCases } from "./managers/eviction.js";
import { leaveIfUnchangedCases } from "./managers/leave-if-unchanged.js";
import { memberCases } from "./managers/members.js";
import { nameCases } from "./managers/names.js";
import { presenceCases } from "./managers/presence.js";
import { queryCases } from "./managers/queries.js";
import { versionCases } from "./managers/versions.js";
import { watchedChangeCases } from "./managers/watch-changes.js";
import { watchCases } from "./managers/watch.js";

/** The contract of {@link ChannelManager}, as cases. Those that require a capability are for managers that declare it. */
export function channelManagerConformance(): ConformanceCase<ChannelManager>[] {
  return [
    ...memberCases,
    ...channelCases,
    ...nameCases,
    ...bulkCases,
    ...queryCases,
    ...versionCases,
    ...leaveIfUnchangedCases,
    ...watchCases,
    ...watchedChangeCases,
    ...eventCases,
    ...presenceCases,
    ...evictionCases,
  ];
}
