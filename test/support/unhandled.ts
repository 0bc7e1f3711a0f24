import type { ExecutionContext } from "ava";

/** What nobody has handled, in the whole process, until the end of the test. */
export function unhandled(t: ExecutionContext): unknown[] {
  const seen: unknown[] = [];
  const listener = (error: unknown): void => void seen.push(error);
  for (const event of ["uncaughtExceptionMonitor", "unhandledRejection", "warning"]) {
    process.on(event, listener);
    t.teardown(() => process.off(event, listener));
  }
  return seen;
}
