import type { ExecutionContext } from "ava";

/**
 * Sets the monotonic clock of this process ahead until the end of the test, which must be a serial one. Timers stay as they are.
 */
export function skipTime(t: ExecutionContext, ms: number): void {
  const { now } = performance;
  performance.now = () => now.call(performance) + ms;
  t.teardown(() => (performance.now = now));
}
