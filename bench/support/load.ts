import { LatencyHistogram } from "./histogram.js";

export interface Load {
  /** How many calls are under way at the same time. */
  window: number;
  /** Calls are begun for this long; then those under way are waited for. */
  durationMs: number;
  /** No more calls than this are begun. */
  maxCalls: number;
}

export interface LoadResult {
  calls: number;
  /** From the first call to the end of the last one. */
  elapsedMs: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

interface LoadSteps {
  /** Before each call: not part of its latency, but of the time that all take. @default nothing */
  before?: () => Promise<unknown>;
}

/** Keeps `window` calls under way, each followed by the next one as soon as it is done. */
export async function applyLoad(
  call: () => Promise<unknown>,
  { window, durationMs, maxCalls }: Load,
  { before }: LoadSteps = {},
): Promise<LoadResult> {
  const latencies = new LatencyHistogram();
  const startedAt = performance.now();
  const endAt = startedAt + durationMs;
  let begun = 0;
  const callRepeatedly = async (): Promise<void> => {
    for (let now = performance.now(); now < endAt && begun < maxCalls;) {
      begun++;
      let calledAt = now;
      if (before) {
        await before();
        calledAt = performance.now();
      }
      await call();
      now = performance.now();
      latencies.record(now - calledAt);
    }
  };
  await Promise.all(Array.from({ length: window }, callRepeatedly));
  const elapsedMs = performance.now() - startedAt;
  return {
    calls: begun,
    elapsedMs,
    perSecond: (begun / elapsedMs) * 1000,
    p50Ms: latencies.percentileMs(50),
    p99Ms: latencies.percentileMs(99),
  };
}
