import type { Sample } from "./call-sample.js";
import { applyLoad, type Load, type LoadResult } from "./load.js";
import { type ProcessUsage, processUsageBetween } from "./process-usage.js";
import { cpuMsOf } from "./server-cpu.js";

/** What calls of one process have cost that. */
export interface CallRun extends LoadResult {
  cpuMs: number;
}

/** In the process that calls: applies a load and sees what it costs. Rejects if an error was reported meanwhile. */
export async function runCalls(
  call: (index: number) => Promise<unknown>,
  load: Load,
  usage: () => ProcessUsage,
): Promise<CallRun> {
  let next = 0;
  const before = usage();
  const result = await applyLoad(() => call(next++), load);
  const { cpuMs, errors } = processUsageBetween(before, usage());
  if (errors.length > 0) throw new Error(`${errors.length} errors, such as ${errors[0]}`);
  return { ...result, cpuMs };
}

/** Sees what a run in another process costs its store, too. @param storePid undefined: it has none */
export async function sampleRun(run: () => Promise<CallRun>, storePid: number | undefined): Promise<Sample> {
  const before = storePid === undefined ? undefined : await cpuMsOf(storePid);
  const { cpuMs, ...result } = await run();
  const after = storePid === undefined ? undefined : await cpuMsOf(storePid);
  const isKnown = before !== undefined && after !== undefined;
  return {
    ...result,
    cpuMsPerCall: cpuMs / result.calls,
    storeCpuMsPerCall: isKnown ? (after - before) / result.calls : undefined,
  };
}
