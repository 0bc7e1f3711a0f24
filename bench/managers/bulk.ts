import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import type { Chart } from "../support/chart.js";
import { progress } from "../support/progress.js";
import { rateChart } from "../support/rate-chart.js";
import { measureRounds } from "../support/rounds.js";
import { inScope } from "../support/scope.js";
import { ManagerProcesses } from "./manager-processes.js";
import { type CellResult, type Pair, timesAsFast } from "./rounds.js";
import { noteOnMysql } from "./mysql-store.js";
import { durationTable } from "./tables.js";

/** Many members at once. */
export const bulk: Part<CellResult[]> = { slow: false, measure, tables, claims, charts };

const MANY = "addMany: 1 channel of 10,000";

/** What `--quick` leaves out. */
const MORE: readonly Pair[] = [
  { does: "addMany: 100 channels of 100 at 1 frontend", undoes: "evict: that frontend", windows: [1] },
  { does: "addMany: 2,000 channels of 1", undoes: "leaveMany: those 2,000", windows: [1] },
];

const FULL = { rounds: 5, maxCalls: 5, adds: 500 };
const QUICK = { rounds: 2, maxCalls: 1, adds: 50 };

function measure(quick: boolean): Promise<CellResult[]> {
  return inScope(async (scope) => {
    const { adds, ...plan } = quick ? QUICK : FULL;
    progress("bulk: starting");
    return measureRounds(await ManagerProcesses.start(scope), {
      part: "bulk",
      pairs: [
        // To compare with.
        { does: "add", undoes: "leave", windows: [1], maxCalls: adds },
        { does: MANY, undoes: "destroyChannel: one of 10,000", windows: [1] },
        { does: MANY, undoes: "leaveMany: all of them", windows: [1] },
        ...(quick ? [] : MORE),
      ],
      durationMs: Infinity,
      warmUpMs: Infinity,
      ...plan,
    });
  });
}

function tables(results: readonly CellResult[]): string[] {
  return [...noteOnMysql(results), durationTable("bulk: many members in one call, one call at a time", results)];
}

function charts(results: readonly CellResult[]): Chart[] {
  return [rateChart("bulk: many members in one call, one call at a time", results)];
}

function claims(results: readonly CellResult[]): Claim[] {
  const promised = [
    { contender: "redis", atLeast: 10 },
    { contender: "mysql", atLeast: 20 },
  ] as const;
  return promised.flatMap(({ contender, atLeast }) =>
    timesAsFast(results, {
      claim: `${contender}: members/s of addMany of 10,000, through those of add, one at a time`,
      atLeast,
      one: { operation: MANY, outstanding: 1, contender },
      other: { operation: "add", outstanding: 1, contender },
    }),
  );
}
