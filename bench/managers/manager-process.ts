// One contender, in a process of its own: what others have compiled and kept does not matter to it.
import { serveParent } from "../../test/support/process.js";
import { type CallRun, runCalls } from "../support/call-run.js";
import type { Load } from "../support/load.js";
import { watchUsage } from "../support/process-usage.js";
import { profiler } from "../support/profiler.js";
import { type ContenderName, createContender } from "./contender.js";
import { fill, type OperationName, OPERATIONS } from "./operations.js";

export interface ManagerConfig {
  contender: ContenderName;
  url: string;
}

export type ManagerApi = typeof api;

const config = JSON.parse(process.argv[2]!) as ManagerConfig;
const usage = watchUsage();
const contender = createContender(config.contender, config.url);

const api = {
  start: () => contender.start?.(),
  fill: () => fill(contender),
  can: (operation: OperationName) => OPERATIONS[operation].needs in contender,
  run: (operation: OperationName, load: Load): Promise<CallRun> =>
    runCalls((index) => OPERATIONS[operation].call(contender, index), load, usage),
  ...profiler,
};

serveParent(api);
