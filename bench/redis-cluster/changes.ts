import type { Part } from "../support/bench.js";
import type { Chart } from "../support/chart.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { sampleRounds } from "../support/rounds.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { ChangesProcesses } from "./changes-processes.js";
import { chartsOf } from "./charts.js";
import { growthClaims } from "./claims.js";
import { MANY_AT_ONCE } from "./operations.js";
import { CHANNELS, FRONTENDS } from "./places.js";
import { ALL, FEW } from "./redises.js";
import { type OperationResult, resultsOf } from "./result.js";
import { tablesOf } from "./tables.js";

/** Members come and go, one by one and many at once. */
export const changes: Part<OperationResult[]> = { slow: false, measure, tables, claims, charts };

const ONE_AT_A_TIME = 1;
const MANY = 256;
/** Several in each of the 256 partitions, so that several go together in each, as many do on one server. */
const VERY_MANY = 2560;

const FULL = {
  redises: ALL,
  rounds: 5,
  durationMs: 1500,
  warmUpMs: 3000,
  maxCalls: 200_000,
  bulks: 50,
  windows: [VERY_MANY, MANY, ONE_AT_A_TIME],
};
const QUICK = {
  redises: FEW,
  rounds: 2,
  durationMs: 500,
  warmUpMs: 1000,
  maxCalls: 200_000,
  bulks: 10,
  windows: [MANY, ONE_AT_A_TIME],
};

function measure(quick: boolean): Promise<OperationResult[]> {
  return inScope(async (scope) => {
    const { redises, bulks, windows, ...plan } = quick ? QUICK : FULL;
    progress("changes: starting");
    const processes = await ChangesProcesses.start(scope, redises);
    const [does, undoes] = MANY_AT_ONCE;
    const sampled = await sampleRounds(processes, {
      part: "changes",
      pairs: [
        // The many first: they warm up both.
        { does: "add", undoes: "leave", windows },
        { does, undoes, windows: [ONE_AT_A_TIME], maxCalls: bulks },
      ],
      ...plan,
    });
    await processes.check();
    return resultsOf(sampled);
  });
}

function tables(results: readonly OperationResult[]): string[] {
  return tablesOf(
    `changes: members of ${format(CHANNELS.count)} channels come and go, one channel after the other, ${FRONTENDS} frontends`,
    results,
  );
}

function charts(results: readonly OperationResult[]): Chart[] {
  return chartsOf("changes", results);
}

function claims(results: readonly OperationResult[]): Claim[] {
  return [...growthClaims(results, ["add", "leave"], MANY), ...growthClaims(results, MANY_AT_ONCE, ONE_AT_A_TIME)];
}
