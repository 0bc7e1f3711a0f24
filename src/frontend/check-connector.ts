import { invalid } from "../arguments.js";
import type { Connector } from "../types.js";

/** @throws `GC_INVALID_ARGUMENT` unless `value` has the methods that every connector has */
export function checkConnector(option: string, value: unknown): Connector {
  const connector = value as Partial<Connector> | null | undefined;
  if (typeof connector?.deliver !== "function" || typeof connector.deliverToAll !== "function") {
    throw invalid(option, value, "a Connector, with the methods deliver and deliverToAll");
  }
  return connector as Connector;
}
