import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import type { Chart } from "../support/chart.js";
import { progress } from "../support/progress.js";
import { rateChart } from "../support/rate-chart.js";
import { rateTable } from "../support/rate-table.js";
import { measureRounds } from "../support/rounds.js";
import { inScope } from "../support/scope.js";
import { ManagerProcesses } from "./manager-processes.js";
import { type CellResult, timesAsFast } from "./rounds.js";
import { noteOnMysql } from "./mysql-store.js";

/** Who is a member? */
export const reads: Part<CellResult[]> = { slow: false, measure, tables, claims, charts };

const FEW = 1;
const MANY = 64;

const LARGE = "getMembersBySid: 25,000";

const FULL = { rounds: 5, durationMs: 1000, warmUpMs: 2000, windows: [FEW, MANY] };
const QUICK = { rounds: 2, durationMs: 100, warmUpMs: 100, windows: [FEW] };

function measure(quick: boolean): Promise<CellResult[]> {
  return inScope(async (scope) => {
    const { windows, ...plan } = quick ? QUICK : FULL;
    progress("reads: starting");
    const processes = await ManagerProcesses.start(scope);
    await processes.fill();
    return measureRounds(processes, {
      part: "reads",
      pairs: [
        { does: "getMemberSets: 4 frontends", windows },
        { does: "findMember: 1 of 4,000", windows },
        { does: "getMembersBySid: 1,000", windows },
        { does: LARGE, windows: [FEW] },
        { does: "scanMembers: all of 25,000, 1,000 a page", windows: [FEW] },
      ],
      maxCalls: Infinity,
      ...plan,
    });
  });
}

function tables(results: readonly CellResult[]): string[] {
  return [...noteOnMysql(results), rateTable("reads: nothing changes meanwhile", results)];
}

function charts(results: readonly CellResult[]): Chart[] {
  return [rateChart("reads: nothing changes meanwhile", results)];
}

function claims(results: readonly CellResult[]): Claim[] {
  const pairs = [
    { contender: "redis", raw: "raw Redis" },
    { contender: "mysql", raw: "raw MySQL" },
  ] as const;
  return pairs.flatMap(({ contender, raw }) =>
    timesAsFast(results, {
      claim: `${contender}: times the speed of ${raw}, getMembersBySid of 25,000`,
      atLeast: 0.2,
      one: { operation: LARGE, outstanding: FEW, contender },
      other: { operation: LARGE, outstanding: FEW, contender: raw },
    }),
  );
}
