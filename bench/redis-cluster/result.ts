import type { Costs, Sample } from "../cluster/sample.js";
import type { Cell, Sampled } from "../support/rounds.js";
import { measured, type Measured } from "../support/statistics.js";
import { ONE, type RedisName } from "./redises.js";

/** One run of an operation on one Redis. */
export interface OperationSample extends Pick<Sample, "calls" | "perSecond" | "p50Ms" | "p99Ms"> {
  /** Of pushes, from the call until all frontends have answered. */
  doneP50Ms?: number;
  perCall: Pick<Costs, "backendCpuMs" | "frontendsCpuMs" | "redisCpuMs" | "busiestRedisCpuMs" | "redisCalls">;
}

export interface OperationResult extends Cell<string, RedisName> {
  runs: number;
  calls: number;
  perSecond: Measured;
  p50Ms: Measured;
  p99Ms: Measured;
  doneP50Ms?: Measured;
  backendCpuMs: Measured;
  frontendsCpuMs: Measured;
  redisCpuMs: Measured;
  busiestRedisCpuMs: Measured;
  /** How many calls a second would keep the busiest server busy, if it had a core of its own. */
  capacity: Measured;
  /** How many times that of one server, round by round. */
  growth: Measured;
  /** How often each command was called for one call, by clients and inside scripts, at all servers; of one of the rounds. */
  redisCalls: Record<string, number>;
}

/** @param sampled in which each operation is that of {@link ONE}, too */
export function resultsOf(sampled: readonly Sampled<string, RedisName, OperationSample>[]): OperationResult[] {
  return sampled.map(({ cell, samples }) => {
    const { samples: ofOne } = sampled.find(
      ({ cell: { operation, outstanding, contender } }) =>
        operation === cell.operation && outstanding === cell.outstanding && contender === ONE,
    )!;
    const of = (value: (sample: OperationSample, round: number) => number): Measured => measured(samples.map(value));
    const isPush = samples.every(({ doneP50Ms }) => doneP50Ms !== undefined);
    return {
      ...cell,
      runs: samples.length,
      calls: samples.reduce((sum, { calls }) => sum + calls, 0),
      perSecond: of(({ perSecond }) => perSecond),
      p50Ms: of(({ p50Ms }) => p50Ms),
      p99Ms: of(({ p99Ms }) => p99Ms),
      ...(isPush && { doneP50Ms: of(({ doneP50Ms }) => doneP50Ms!) }),
      backendCpuMs: of(({ perCall }) => perCall.backendCpuMs),
      frontendsCpuMs: of(({ perCall }) => perCall.frontendsCpuMs),
      redisCpuMs: of(({ perCall }) => perCall.redisCpuMs),
      busiestRedisCpuMs: of(({ perCall }) => perCall.busiestRedisCpuMs),
      capacity: of((sample) => capacityOf(sample)),
      growth: of((sample, round) => capacityOf(sample) / capacityOf(ofOne[round]!)),
      redisCalls: samples[0]!.perCall.redisCalls,
    };
  });
}

function capacityOf({ perCall }: OperationSample): number {
  return 1000 / perCall.busiestRedisCpuMs;
}
