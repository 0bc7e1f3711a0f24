import type { Chart } from "../support/chart.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { rateChart } from "../support/rate-chart.js";
import { rateTable } from "../support/rate-table.js";
import { type Cell, type CellResult, findCell, measureRounds } from "../support/rounds.js";
import { inScope } from "../support/scope.js";
import type { Part } from "../support/bench.js";
import type { ContenderName } from "./contender.js";
import { MembersProcesses } from "./members-processes.js";
import type { OperationName } from "./operations.js";
import { USERS } from "./places.js";

type Result = CellResult<OperationName, ContenderName>;

/** Members come and go, one by one and many at once, and are counted and listed. */
export const changes: Part<Result[]> = { slow: false, measure, tables, claims, charts };

const FEW = 1;
const MANY = 256;

const FULL = { rounds: 5, durationMs: 1000, warmUpMs: 2000, maxCalls: 200_000, channels: 5, users: USERS.length };
const QUICK = { rounds: 2, durationMs: 150, warmUpMs: 200, maxCalls: 200_000, channels: 1, users: 100 };

function measure(quick: boolean): Promise<Result[]> {
  return inScope(async (scope) => {
    const { channels, users, ...plan } = quick ? QUICK : FULL;
    progress("changes: starting");
    const processes = await MembersProcesses.start(scope);
    const results = await measureRounds(processes, {
      part: "changes",
      pairs: [
        // The many first: they warm up both.
        { does: "add", undoes: "leave", windows: [MANY, FEW] },
        {
          does: "addMany: 10,000 members of 1 channel",
          undoes: "destroyChannel: one of 10,000",
          windows: [FEW],
          maxCalls: channels,
        },
        {
          does: "addMany: 1 user joins 50 channels",
          undoes: "leaveAll: 1 user of 50 channels",
          windows: [FEW],
          maxCalls: users,
        },
        { does: "count: 100,000 members", windows: [FEW] },
        { does: "getMembersBySid: 1,000 members", windows: [FEW] },
      ],
      ...plan,
    });
    await processes.check();
    return results;
  });
}

function tables(results: readonly Result[]): string[] {
  return [rateTable("changes: changes and reads of members, 10 frontends", results)];
}

function charts(results: readonly Result[]): Chart[] {
  return [rateChart("changes: changes and reads of members, 10 frontends", results)];
}

function claims(results: readonly Result[]): Claim[] {
  const find = (cell: Cell<OperationName, ContenderName>): Result => findCell(results, cell)!;
  const speed = (operation: OperationName, contender: ContenderName): number =>
    find({ operation, outstanding: MANY, contender }).perSecond.median;
  const leaveAll = "leaveAll: 1 user of 50 channels";
  return [
    ...(["add", "leave"] as const).map((operation) => ({
      claim: `globalchannel: times the calls/s of raw, ${operation}, ${MANY} outstanding (raw: pipelines of ${MANY})`,
      atLeast: 0.6,
      measured: speed(operation, "globalchannel") / speed(operation, "raw"),
    })),
    {
      claim: `globalchannel: p50 ms, ${leaveAll}`,
      atMost: 3,
      measured: find({ operation: leaveAll, outstanding: FEW, contender: "globalchannel" }).p50Ms.median,
    },
  ];
}
