// One contender, in a process of its own: what others have compiled and kept does not matter to it.
import { serveParent } from "../../test/support/process.js";
import { applyLoad, type Load, type LoadResult } from "../support/load.js";
import { processUsageBetween, watchUsage } from "../support/process-usage.js";
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
  async run(operation: OperationName, load: Load): Promise<LoadResult & { cpuMs: number }> {
    const { call } = OPERATIONS[operation];
    let next = 0;
    const before = usage();
    const result = await applyLoad(() => call(contender, next++), load);
    const { cpuMs, errors } = processUsageBetween(before, usage());
    if (errors.length > 0) throw new Error(`${config.contender}: ${errors.length} errors, such as ${errors[0]}`);
    return { ...result, cpuMs };
  },
};

serveParent(api);
