import { isGlobalChannelError, type PushReport } from "../../src/index.js";
import { monotonicMs } from "../support/monotonic.js";

/** What became of a call. */
export interface CallOutcome {
  /** When it was made, on the monotonic clock of the machine. */
  at: number;
  ms: number;
  report?: PushReport;
  error?: { code: string; temporary: boolean; report?: PushReport };
}

export async function attempt(call: () => Promise<unknown>): Promise<CallOutcome> {
  const at = monotonicMs();
  try {
    const result = await call();
    return { at, ms: monotonicMs() - at, report: result as PushReport };
  } catch (error) {
    const ms = monotonicMs() - at;
    if (!isGlobalChannelError(error)) return { at, ms, error: { code: String(error), temporary: false } };
    const { code, temporary, report } = error;
    return { at, ms, error: { code, temporary, ...(report !== undefined && { report: report as PushReport }) } };
  }
}

/** What can be sent to another process of it: the errors in a report cannot. */
export function sendable(outcome: CallOutcome): CallOutcome {
  return JSON.parse(JSON.stringify(outcome)) as CallOutcome;
}

/** Whether an outcome accounts for every member: an error does where nothing was attempted. */
export function addsUp({ report, error }: CallOutcome): boolean {
  const counts = report ?? error?.report;
  if (!counts) return error !== undefined;
  const listed = counts.failIds.length + counts.unlisted === counts.failed + counts.unknown;
  return counts.delivered + counts.failed + counts.unknown === counts.targeted && listed;
}

/** What the reports of pushes say in all. */
export function sumOf(outcomes: readonly CallOutcome[], what: "targeted" | "delivered" | "failed" | "unknown"): number {
  return outcomes.reduce((sum, { report, error }) => sum + ((report ?? error?.report)?.[what] ?? 0), 0);
}

/** Whether a push has reached all of so many members. */
export function isComplete({ report }: CallOutcome, members: number): boolean {
  return report?.targeted === members && report.delivered === members;
}
