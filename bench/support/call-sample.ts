import type { LoadResult } from "./load.js";
import { measured, type Measured } from "./statistics.js";

/** One run of one contender. */
export interface Sample extends LoadResult {
  /** Of the process that calls. */
  cpuMsPerCall: number;
  /** Of the server program; undefined where there is none, or the system does not tell. */
  storeCpuMsPerCall: number | undefined;
  /** Of all frontends. @default there are none */
  frontendsCpuMsPerCall?: number;
}

/** What is measured in several runs. */
export interface Summary {
  runs: number;
  calls: number;
  perSecond: Measured;
  p50Ms: Measured;
  p99Ms: Measured;
  cpuMsPerCall: Measured;
  storeCpuMsPerCall?: Measured;
  frontendsCpuMsPerCall?: Measured;
}

export function summarize(samples: readonly Sample[]): Summary {
  const storeCpu = samples.map(({ storeCpuMsPerCall }) => storeCpuMsPerCall).filter((ms) => ms !== undefined);
  const frontendsCpu = samples
    .map(({ frontendsCpuMsPerCall }) => frontendsCpuMsPerCall)
    .filter((ms) => ms !== undefined);
  return {
    runs: samples.length,
    calls: samples.reduce((sum, { calls }) => sum + calls, 0),
    perSecond: measured(samples.map(({ perSecond }) => perSecond)),
    p50Ms: measured(samples.map(({ p50Ms }) => p50Ms)),
    p99Ms: measured(samples.map(({ p99Ms }) => p99Ms)),
    cpuMsPerCall: measured(samples.map(({ cpuMsPerCall }) => cpuMsPerCall)),
    ...(storeCpu.length > 0 && { storeCpuMsPerCall: measured(storeCpu) }),
    ...(frontendsCpu.length > 0 && { frontendsCpuMsPerCall: measured(frontendsCpu) }),
  };
}
