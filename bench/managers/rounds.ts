import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import type { ContenderName } from "./contender.js";
import type { ManagerProcesses } from "./manager-processes.js";
import { type OperationName, OPERATIONS } from "./operations.js";
import { type Sample, summarize, type Summary } from "./sample.js";

/** What is done, and what is done then to have everything as it was before, which is measured too. */
export interface Pair {
  does: OperationName;
  undoes?: OperationName;
  /** How many calls are outstanding. */
  windows: readonly number[];
  /** @default that of the plan */
  maxCalls?: number;
}

export interface RoundsPlan {
  /** What to call it while it goes on. */
  part: string;
  pairs: readonly Pair[];
  rounds: number;
  /** For each operation, unless it has made `maxCalls` before; what undoes it makes as many calls as it. */
  durationMs: number;
  maxCalls: number;
  /** The same, before the first round: not measured. */
  warmUpMs: number;
}

export interface Cell {
  operation: OperationName;
  outstanding: number;
  contender: ContenderName;
}

export type CellResult = Cell & Summary;

/** Measures operations in rounds, in each of which the contenders take turns. */
export async function measureRounds(processes: ManagerProcesses, plan: RoundsPlan): Promise<CellResult[]> {
  const { part, rounds, durationMs, warmUpMs } = plan;
  const turns: { pair: Pair; window: number; contender: ContenderName }[] = [];
  for (const pair of plan.pairs) {
    const contenders = await processes.able(pair.does, ...(pair.undoes ? [pair.undoes] : []));
    for (const window of pair.windows) for (const contender of contenders) turns.push({ pair, window, contender });
  }
  const samples = new Map<string, { cell: Cell; samples: Sample[] }>();
  const run = async ({ pair, window, contender }: (typeof turns)[number], forMs: number, isMeasured: boolean) => {
    const note = (operation: OperationName, sample: Sample): void => {
      if (!isMeasured) return;
      const cell = { operation, outstanding: window, contender };
      const key = JSON.stringify(cell);
      const known = samples.get(key) ?? { cell, samples: [] };
      samples.set(key, known);
      known.samples.push(sample);
    };
    const { maxCalls = plan.maxCalls } = pair;
    const done = await processes.run(contender, pair.does, { window, durationMs: forMs, maxCalls });
    note(pair.does, done);
    if (!pair.undoes) return;
    const undone = await processes.run(contender, pair.undoes, { window, durationMs: Infinity, maxCalls: done.calls });
    note(pair.undoes, undone);
  };
  for (const turn of turns) {
    progress(`${part}: warming up ${turn.contender}, ${turn.pair.does}`);
    await run(turn, warmUpMs, false);
  }
  for (let round = 1; round <= rounds; round++) {
    for (const turn of turns) {
      progress(`${part}: round ${round}/${rounds}, ${turn.contender}, ${turn.pair.does}, ${turn.window} outstanding`);
      await run(turn, durationMs, true);
    }
  }
  return [...samples.values()].map(({ cell, samples: ofCell }) => ({ ...cell, ...summarize(ofCell) }));
}

/** The results of one operation side by side, in the order of the plan. */
export function sideBySide(results: readonly CellResult[]): CellResult[] {
  const groups = new Map<string, CellResult[]>();
  for (const result of results) {
    const key = `${result.operation} ${result.outstanding}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups.values()].flat();
}

/** How many members a second; undefined where that was not measured. */
function speedOf(results: readonly CellResult[], wanted: Cell): number | undefined {
  const found = results.find(
    ({ operation, outstanding, contender }) =>
      operation === wanted.operation && outstanding === wanted.outstanding && contender === wanted.contender,
  );
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
