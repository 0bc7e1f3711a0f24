import { build, type Histogram } from "hdr-histogram-js";
import { measured, type Measured } from "../support/statistics.js";
import type { Costs } from "./costs.js";

/** Pushes or adds of one run: how fast, and what each has cost. */
export interface CallSample extends Costs {
  perSecond: number;
  callbackP50Ms: number;
  callbackP99Ms: number;
}

/** Their rate is that at which they are both acknowledged and received. */
export interface PushSample extends CallSample {
  acknowledgedPerSecond: number;
  clientP50Ms: number;
  clientP99Ms: number;
}

/** Each value over several runs. */
export type Summary<S> = Record<keyof S & string, Measured>;

export function summarize<S extends CallSample>(samples: readonly S[]): Summary<S> {
  const names = Object.keys(samples[0]!) as (keyof S & string)[];
  return Object.fromEntries(
    names.map((name) => [name, measured(samples.map((sample) => sample[name] as number))]),
  ) as Summary<S>;
}

/** Of microseconds. */
export function newHistogram(): Histogram {
  return build({ numberOfSignificantValueDigits: 3 });
}

export function percentileMs(microseconds: Histogram, percentile: number): number {
  return microseconds.getValueAtPercentile(percentile) / 1000;
}

export function callbackPercentiles(latenciesMs: readonly number[]) {
  const microseconds = newHistogram();
  for (const latencyMs of latenciesMs) microseconds.recordValue(Math.round(latencyMs * 1000));
  return { callbackP50Ms: percentileMs(microseconds, 50), callbackP99Ms: percentileMs(microseconds, 99) };
}
