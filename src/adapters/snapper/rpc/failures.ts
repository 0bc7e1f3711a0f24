import { GlobalChannelError, isGlobalChannelError } from "../../../errors.js";
import type { RpcFailure } from "../wire/message.js";

/** @see https://www.jsonrpc.org/specification#error_object */
export const UNKNOWN_METHOD = -32_601;
const INVALID_PARAMS = -32_602;
const INTERNAL_ERROR = -32_603;
/** As in HTTP: the token is refused. */
export const UNAUTHORIZED = 401;

/** How much of what a broker says an error repeats. */
const MAX_TOLD_CHARACTERS = 500;

/** What an error carries beside its JSON-RPC code, where it is one of this package. */
interface FailureData {
  code: string;
  temporary: boolean;
}

/** What a client is told of an error; of one that is not of this package no more than that there was one. */
export function failureOf(error: unknown): RpcFailure {
  if (!isGlobalChannelError(error)) return { code: INTERNAL_ERROR, message: "internal error" };
  const data: FailureData = { code: error.code, temporary: error.temporary };
  const code = error.code === "GC_INVALID_ARGUMENT" ? INVALID_PARAMS : INTERNAL_ERROR;
  return { code, message: error.message, data };
}

/** The error of a call that a broker has answered so. Brokers of other makes do not say whether it is temporary: then it is not. */
export function errorOf({ code, message, data }: RpcFailure, method: string): GlobalChannelError {
  const temporary = (data as Partial<FailureData> | null | undefined)?.temporary === true;
  const text = `the broker answered ${method} with the error ${code}: ${message.slice(0, MAX_TOLD_CHARACTERS)}`;
  return new GlobalChannelError("GC_BROKER_ERROR", text, { temporary });
}
