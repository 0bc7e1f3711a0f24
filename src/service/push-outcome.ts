import { GlobalChannelError, type ErrorCode } from "../errors.js";
import type { Appended } from "../types.js";
import { emptyReport, type FrontendReport, type PushReport } from "./push-report.js";

/** How long a report may be that is kept for those who come later; of a longer one the uids are left out. In characters. */
const MAX_LENGTH = 64 * 1024;

/** An error, as it is kept. */
type KeptError = { code: ErrorCode; message: string };
type KeptFrontend = Omit<FrontendReport, "error"> & { error?: KeptError };

/** A report as text. */
export function encodeOutcome(report: PushReport): string {
  const text = JSON.stringify(report, (key, value: unknown) => (key === "error" ? keptError(value) : value));
  if (text.length <= MAX_LENGTH || report.failIds.length === 0) return text;
  const frontends = report.frontends.map((one) => ({ ...one, unlisted: one.failed + one.unknown }));
  return encodeOutcome({ ...report, failIds: [], unlisted: report.failed + report.unknown, frontends });
}

function keptError(error: unknown): KeptError {
  const { code, message } = error as GlobalChannelError;
  return { code, message };
}

/** The report of a push that was done before. */
export function repeatedReport({ positions, repeated }: Appended): PushReport {
  const kept = positions.length > 0 ? { positions } : {};
  if (!repeated) return { ...emptyReport(), ...kept, repeated: true, isUnsettled: true };
  const report = JSON.parse(repeated) as Omit<PushReport, "frontends"> & { frontends: KeptFrontend[] };
  const frontends = report.frontends.map(({ error, ...one }): FrontendReport => {
    if (!error) return one;
    return { ...one, error: new GlobalChannelError(error.code, error.message, { sid: one.sid }) };
  });
  return { ...report, frontends, repeated: true };
}
