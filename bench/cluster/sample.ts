import type { ContenderName } from "../contenders/contender.js";
import { measured, type Measured, round } from "../support/statistics.js";

/** What one push has cost. */
export interface Costs {
  /** How often each command was called, by clients and inside scripts. */
  redisCalls: Record<string, number>;
  redisBytesOut: number;
  redisBytesIn: number;
  backendBytesRead: number;
  backendBytesWritten: number;
  backendCpuMs: number;
  frontendsCpuMs: number;
  /** Of all its servers. */
  redisCpuMs: number;
  /** Of the server that has used most: of the only one, unless it is a Redis Cluster. */
  busiestRedisCpuMs: number;
}

/** One run of one contender. */
export interface Sample {
  calls: number;
  /** From the first push to the last one's end: the contender's own, or its arrival at the last frontend or client. */
  elapsedMs: number;
  perSecond: number;
  /** From the call for a push until it is at the last frontend's connector, or at the last client. */
  p50Ms: number;
  p99Ms: number;
  /** From the call for a push until the contender says that it is done. */
  doneP50Ms: number;
  perPush: Costs;
}

/** What is measured in several runs. */
export interface Cell {
  frontends: number;
  members: number;
  contender: ContenderName;
  /** How many pushes are outstanding. */
  window: number;
}

export interface CellResult extends Cell {
  runs: number;
  pushes: number;
  pushesPerSecond: Measured;
  p50Ms: Measured;
  p99Ms: Measured;
  doneP50Ms: Measured;
  /** Of each round. */
  rates: readonly number[];
  /** Medians; of `redisCalls`, those of the typical run. */
  perPush: Costs;
}

export function summarize<C extends Cell>(cell: C, samples: readonly Sample[]): C & CellResult {
  const { redisCalls } = typicalOf(samples).perPush;
  const cost = (name: Exclude<keyof Costs, "redisCalls">): number =>
    measured(samples.map(({ perPush }) => perPush[name])).median;
  return {
    ...cell,
    runs: samples.length,
    pushes: samples.reduce((sum, { calls }) => sum + calls, 0),
    pushesPerSecond: measured(samples.map(({ perSecond }) => perSecond)),
    p50Ms: measured(samples.map(({ p50Ms }) => p50Ms)),
    p99Ms: measured(samples.map(({ p99Ms }) => p99Ms)),
    doneP50Ms: measured(samples.map(({ doneP50Ms }) => doneP50Ms)),
    rates: samples.map(({ perSecond }) => round(perSecond)),
    perPush: {
      redisBytesOut: cost("redisBytesOut"),
      redisBytesIn: cost("redisBytesIn"),
      backendBytesRead: cost("backendBytesRead"),
      backendBytesWritten: cost("backendBytesWritten"),
      backendCpuMs: cost("backendCpuMs"),
      frontendsCpuMs: cost("frontendsCpuMs"),
      redisCpuMs: cost("redisCpuMs"),
      busiestRedisCpuMs: cost("busiestRedisCpuMs"),
      redisCalls: Object.fromEntries(
        Object.entries(redisCalls)
          .map(([command, calls]) => [command, Number(calls.toFixed(2))] as const)
          .filter(([, calls]) => calls > 0),
      ),
    },
  };
}

/** The run with the median pushes per second. */
export function typicalOf(samples: readonly Sample[]): Sample {
  return samples.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(samples.length / 2)]!;
}

/** How many times the pushes/s of the other, round by round: what changes on the machine from one to the next cancels out. */
export function timesTheRate(one: Pick<CellResult, "rates">, other: Pick<CellResult, "rates">): Measured {
  return measured(one.rates.map((rate, index) => rate / other.rates[index]!));
}

/** All CPU time of a push, in microseconds. */
export function cpuMicroseconds({ perPush }: Pick<Sample, "perPush">): number {
  return (perPush.backendCpuMs + perPush.frontendsCpuMs + perPush.redisCpuMs) * 1000;
}

/** The result of this very cell. */
export function findCell<R extends Cell>(results: readonly R[], wanted: Cell): R | undefined {
  return results.find(
    ({ frontends, members, contender, window }) =>
      frontends === wanted.frontends &&
      members === wanted.members &&
      contender === wanted.contender &&
      window === wanted.window,
  );
}
