import { inspect } from "node:util";

/** An error as it can be sent to another process. */
export interface PlainError {
  message: string;
  code: unknown;
  /** The report of a push that failed, if it has one. */
  report?: unknown;
}

export function plainError(error: unknown): PlainError | null {
  if (error === null || error === undefined) return null;
  if (!(error instanceof Error)) return { message: inspect(error), code: undefined };
  const { message, code, report } = error as Error & { code?: unknown; report?: unknown };
  return { message, code, ...(report !== undefined && { report: plain(report) }) };
}

/** A copy in which every error, however deep, is a {@link PlainError}. */
export function plain(value: unknown): unknown {
  if (value instanceof Error) return plainError(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
}
