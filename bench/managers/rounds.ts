import type { Claim } from "../support/claims.js";
import * as rounds from "../support/rounds.js";
import type { ContenderName } from "./contender.js";
import { type OperationName, OPERATIONS } from "./operations.js";

export type Cell = rounds.Cell<OperationName, ContenderName>;
export type CellResult = rounds.CellResult<OperationName, ContenderName>;
export type Pair = rounds.Pair<OperationName>;

/** How many members a second; undefined where that was not measured. */
function speedOf(results: readonly CellResult[], wanted: Cell): number | undefined {
  const found = rounds.findCell(results, wanted);
  return found && found.perSecond.median * OPERATIONS[found.operation].members;
}

/** A promise that one thing is so many times as fast as another one; none where one of them was not measured. */
export function timesAsFast(
  results: readonly CellResult[],
  promise: { claim: string; atLeast: number; one: Cell; other: Cell },
): Claim[] {
  const { claim, atLeast } = promise;
  const [one, other] = [speedOf(results, promise.one), speedOf(results, promise.other)];
  return one === undefined || other === undefined ? [] : [{ claim, atLeast, measured: one / other }];
}
