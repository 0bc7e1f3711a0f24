import { AsyncLocalStorage } from "node:async_hooks";

const clocks = new AsyncLocalStorage<{ aheadMs: number }>();
const { now } = performance;

/** Runs something that has a monotonic clock of its own, whatever else runs meanwhile. Timers stay as they are. */
export function withOwnClock<T>(run: () => T): T {
  performance.now = () => now.call(performance) + (clocks.getStore()?.aheadMs ?? 0);
  return clocks.run({ aheadMs: 0 }, run);
}

/** Sets the clock of who asks ahead. */
export function setAhead(ms: number): void {
  const clock = clocks.getStore();
  if (!clock) throw new Error("it has no clock of its own");
  clock.aheadMs += ms;
}
