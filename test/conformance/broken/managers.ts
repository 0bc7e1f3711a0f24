import type { ChannelManager } from "../../../src/types.js";
import type { Broken } from "./broken.js";
import { brokenEvictions, brokenPresence } from "./frontends.js";
import { brokenInterruptions } from "./interruptions.js";
import { brokenBulk, brokenLargeChannels, brokenQueries, brokenUserIndex } from "./lists.js";
import { brokenMembers, brokenNames } from "./members.js";
import { brokenVersions } from "./versions.js";
import { brokenWatches } from "./watches.js";

export const brokenManagers: readonly Broken<ChannelManager>[] = [
  ...brokenMembers,
  ...brokenNames,
  ...brokenBulk,
  ...brokenLargeChannels,
  ...brokenQueries,
  ...brokenUserIndex,
  ...brokenVersions,
  ...brokenWatches,
  ...brokenPresence,
  ...brokenEvictions,
  ...brokenInterruptions,
];
