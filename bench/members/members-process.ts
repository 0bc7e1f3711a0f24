// One contender, in a process of its own: what others have compiled and kept does not matter to it.
import { serveParent } from "../../test/support/process.js";
import { type CallRun, runCalls } from "../support/call-run.js";
import type { Load } from "../support/load.js";
import { profiler } from "../support/profiler.js";
import { watchUsage } from "../support/process-usage.js";
import { type ContenderName, createContender } from "./contender.js";
import { call, fill, type OperationName } from "./operations.js";
import { SIDS } from "./places.js";

export interface MembersConfig {
  contender: ContenderName;
  /** Of Redis. */
  url: string;
}

export type MembersApi = typeof api;

const config = JSON.parse(process.argv[2]!) as MembersConfig;
const usage = watchUsage();
const contender = createContender(config.contender, config.url, SIDS);

const api = {
  start: () => contender.start(),
  fill: () => fill(contender),
  run: (operation: OperationName, load: Load): Promise<CallRun> =>
    runCalls((index) => call(operation, contender, index), load, usage),
  ...profiler,
};

serveParent(api);
