import type { Claim } from "../support/claims.js";
import { PROMISED } from "./redises.js";
import type { OperationResult } from "./result.js";

const AT_LEAST = 2;

/** What more servers give: of each operation, as it is with many outstanding. */
export function growthClaims(
  results: readonly OperationResult[],
  operations: readonly string[],
  outstanding: number,
): Claim[] {
  return operations.map((operation) => ({
    claim: `${operation}: times the calls/s that keep the busiest server busy, ${PROMISED} instead of one server, ${outstanding} outstanding`,
    atLeast: AT_LEAST,
    measured: results.find(
      (result) => result.operation === operation && result.outstanding === outstanding && result.contender === PROMISED,
    )!.growth,
  }));
}
