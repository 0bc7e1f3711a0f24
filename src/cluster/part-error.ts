import { describe } from "../arguments.js";
import { GlobalChannelError, isGlobalChannelError } from "../errors.js";

/** What a method of a part of the application's own threw or rejected, as its callers get it. */
export function partError(part: string, method: string, cause: unknown): GlobalChannelError {
  if (isGlobalChannelError(cause)) return cause;
  const message = cause instanceof Error ? cause.message : describe(cause);
  return new GlobalChannelError("GC_STORE_ERROR", `the ${part}'s ${method} failed: ${message}`, { cause });
}

/** A method of a part of the application's own gave what the contract does not allow. */
export function wrongResult(part: string, method: string, found: string, wanted: string): GlobalChannelError {
  return new GlobalChannelError("GC_STORE_ERROR", `the ${part}'s ${method} gave ${found}; it must give ${wanted}`);
}
