import { isHeld, type RateSample } from "../cluster/rate-sample.js";
import type { ContenderName } from "../contenders/contender.js";
import { LatencyHistogram } from "../support/histogram.js";
import { measured, type Measured } from "../support/statistics.js";

/** A contender under a part of what it can hold. */
export interface Cell {
  contender: ContenderName;
  /** Percent of the highest rate that the contender has held. */
  load: number;
  perSecond: number;
}

/** Latencies are those of all runs taken together. */
export interface LatencyResult extends Cell {
  runs: number;
  /** In how many of them the rate was held. */
  runsHeld: number;
  pushes: number;
  p50Ms: number;
  p90Ms: number;
  p99Ms: number;
  p999Ms: number;
  maxMs: number;
  /** Of each run by itself. */
  p50OfRunsMs: Measured;
  p99OfRunsMs: Measured;
  /** How late the backend was when it began the pushes of a tick: part of the latencies. */
  lateP50Ms: number;
  lateP99Ms: number;
}

export function summarize(cell: Cell, samples: readonly RateSample[]): LatencyResult {
  const latencies = merge(samples.map((sample) => sample.latencies));
  const lateness = merge(samples.map((sample) => sample.lateness));
  const ofRuns = (percentile: number): Measured =>
    measured(samples.map((sample) => sample.latencies.percentileMs(percentile)));
  return {
    ...cell,
    runs: samples.length,
    runsHeld: samples.filter(isHeld).length,
    pushes: samples.reduce((sum, { pushes }) => sum + pushes, 0),
    p50Ms: latencies.percentileMs(50),
    p90Ms: latencies.percentileMs(90),
    p99Ms: latencies.percentileMs(99),
    p999Ms: latencies.percentileMs(99.9),
    maxMs: latencies.percentileMs(100),
    p50OfRunsMs: ofRuns(50),
    p99OfRunsMs: ofRuns(99),
    lateP50Ms: lateness.percentileMs(50),
    lateP99Ms: lateness.percentileMs(99),
  };
}

function merge(histograms: readonly LatencyHistogram[]): LatencyHistogram {
  const all = new LatencyHistogram();
  for (const histogram of histograms) all.add(histogram);
  return all;
}
