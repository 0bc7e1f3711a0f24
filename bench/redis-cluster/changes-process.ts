// A backend server that changes members, on one Redis or a Redis Cluster.
import { GlobalChannelService } from "globalchannel";
import { chunks } from "../../src/batches.js";
import { serveParent } from "../../test/support/process.js";
import { channelMembers } from "../cluster/channels.js";
import { FILL_BATCH, TIMEOUT_MS } from "../contenders/contender.js";
import { type CallRun, runCalls } from "../support/call-run.js";
import type { Load } from "../support/load.js";
import { watchUsage } from "../support/process-usage.js";
import { profiler } from "../support/profiler.js";
import { redisAt } from "../support/redis-at.js";
import { call, type OperationName } from "./operations.js";
import { CHANNELS, SIDS } from "./places.js";

export interface ChangesConfig {
  /** Of Redis, as `redisAt` takes it. */
  url: string;
}

export type ChangesApi = typeof api;

const { url } = JSON.parse(process.argv[2]!) as ChangesConfig;
const usage = watchUsage();
// Looking for dead frontends is not part of a change.
const service = new GlobalChannelService({ cluster: redisAt(url), timeoutMs: TIMEOUT_MS, reapIntervalMs: 600_000 });

const api = {
  start: () => service.start(),
  /** Puts in who else is in the channels. */
  async fill(): Promise<void> {
    for (const batch of chunks(channelMembers(CHANNELS, SIDS), FILL_BATCH)) await service.addMany(batch);
  },
  run: (operation: OperationName, load: Load): Promise<CallRun> =>
    runCalls((index) => call(operation, service, index), load, usage),
  ...profiler,
};

serveParent(api);
