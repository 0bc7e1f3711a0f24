import type { Channels } from "../cluster/channels.js";
import { sidsOf } from "../support/names.js";

export const FRONTENDS = 3;
export const SIDS = sidsOf(FRONTENDS);

/** Some in each of the 64 partitions, with as many members at each frontend. */
export const CHANNELS: Channels = { prefix: "room", count: 2000, members: 30 };
