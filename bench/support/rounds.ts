import { type Sample, summarize, type Summary } from "./call-sample.js";
import type { Load } from "./load.js";
import { profiled, type Profilees } from "./profiling.js";
import { progress } from "./progress.js";

/** What takes turns: contenders `C` that do operations `O`, each of which is seen as an `S`. */
export interface Contest<O extends string, C extends string, S = Sample> {
  /** Those that can do all of this, in the order in which they take turns. */
  able(...operations: O[]): Promise<C[]>;
  run(contender: C, operation: O, load: Load): Promise<S>;
  /** The processes of a contender that `--profile` is about. @default none */
  profilees?(contender: C): Profilees;
}

/** What is done, and what is done then to have everything as it was before, which is measured too. */
export interface Pair<O extends string> {
  does: O;
  undoes?: O;
  /** How many calls are outstanding. */
  windows: readonly number[];
  /** @default that of the plan */
  maxCalls?: number;
}

export interface RoundsPlan<O extends string> {
  /** What to call it while it goes on. */
  part: string;
  pairs: readonly Pair<O>[];
  rounds: number;
  /** For each operation, unless it has made `maxCalls` before; what undoes it makes as many calls as it. */
  durationMs: number;
  maxCalls: number;
  /** The same, before the first round: not measured. */
  warmUpMs: number;
}

export interface Cell<O extends string, C extends string> {
  operation: O;
  outstanding: number;
  contender: C;
}

export type CellResult<O extends string, C extends string> = Cell<O, C> & Summary;

/** The samples of all rounds. */
export interface Sampled<O extends string, C extends string, S> {
  cell: Cell<O, C>;
  samples: S[];
}

/** Measures operations in rounds, in each of which the contenders take turns. */
export async function measureRounds<O extends string, C extends string>(
  contest: Contest<O, C>,
  plan: RoundsPlan<O>,
): Promise<CellResult<O, C>[]> {
  const sampled = await sampleRounds(contest, plan);
  return sampled.map(({ cell, samples }) => ({ ...cell, ...summarize(samples) }));
}

/** The same, not summarized. */
export async function sampleRounds<O extends string, C extends string, S extends { calls: number }>(
  contest: Contest<O, C, S>,
  plan: RoundsPlan<O>,
): Promise<Sampled<O, C, S>[]> {
  const { part, rounds, durationMs, warmUpMs } = plan;
  const turns: { pair: Pair<O>; window: number; contender: C }[] = [];
  for (const pair of plan.pairs) {
    const contenders = await contest.able(pair.does, ...(pair.undoes ? [pair.undoes] : []));
    for (const window of pair.windows) for (const contender of contenders) turns.push({ pair, window, contender });
  }
  const samples = new Map<string, Sampled<O, C, S>>();
  const run = async ({ pair, window, contender }: (typeof turns)[number], forMs: number, isMeasured: boolean) => {
    const perform = async (operation: O, load: Load): Promise<S> => {
      if (!isMeasured) return contest.run(contender, operation, load);
      const processes = contest.profilees?.(contender) ?? {};
      const profile = { contender, cell: `${part},${operation},${window}`, processes };
      const sample = await profiled(profile, () => contest.run(contender, operation, load));
      const cell = { operation, outstanding: window, contender };
      const key = JSON.stringify(cell);
      const known = samples.get(key) ?? { cell, samples: [] };
      samples.set(key, known);
      known.samples.push(sample);
      return sample;
    };
    const { maxCalls = plan.maxCalls } = pair;
    const { calls } = await perform(pair.does, { window, durationMs: forMs, maxCalls });
    if (pair.undoes) await perform(pair.undoes, { window, durationMs: Infinity, maxCalls: calls });
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
  return [...samples.values()];
}

/** The results of one operation side by side, in the order of the plan. */
export function sideBySide<R extends Cell<string, string>>(results: readonly R[]): R[] {
  const groups = new Map<string, R[]>();
  for (const result of results) {
    const key = `${result.operation} ${result.outstanding}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups.values()].flat();
}

/** Undefined where that was not measured. */
export function findCell<O extends string, C extends string>(
  results: readonly CellResult<O, C>[],
  wanted: Cell<O, C>,
): CellResult<O, C> | undefined {
  return results.find(
    ({ operation, outstanding, contender }) =>
      operation === wanted.operation && outstanding === wanted.outstanding && contender === wanted.contender,
  );
}
