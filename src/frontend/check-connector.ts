import { invalid } from "../arguments.js";
import { missingMethod } from "../options.js";
import type { Connector } from "../types.js";

/** @throws `GC_INVALID_ARGUMENT` unless `value` has the methods that every connector has */
export function checkConnector(option: string, value: unknown): Connector {
  if (missingMethod(value, ["deliver", "deliverToAll"])) {
    throw invalid(option, value, "a Connector, with the methods deliver and deliverToAll");
  }
  return value as Connector;
}
