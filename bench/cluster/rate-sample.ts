import type { LatencyHistogram } from "../support/histogram.js";

/** One run of one contender. */
export interface RateSample {
  pushes: number;
  /** From when a push was due until it was at the last frontend's connector. */
  latencies: LatencyHistogram;
  /** How late the backend was when it began the pushes of a tick. */
  lateness: LatencyHistogram;
  /** From when the last push was due until all were at the last frontend's connector. */
  trailMs: number;
  /** Whether it was given up, because pushes took too long: some that would have been the slowest are missing. */
  isCutShort: boolean;
}

/** A rate is held while latencies are those of pushes, not those of a queue that grows. */
export const MAX_P99_MS = 100;
export const MAX_TRAIL_MS = 200;

/** All have come: a run in which one is missing fails. */
export function isHeld({ latencies, trailMs, isCutShort }: RateSample): boolean {
  return !isCutShort && latencies.percentileMs(99) <= MAX_P99_MS && trailMs <= MAX_TRAIL_MS;
}
