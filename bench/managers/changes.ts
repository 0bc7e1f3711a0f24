import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import type { Chart } from "../support/chart.js";
import { progress } from "../support/progress.js";
import { rateChart } from "../support/rate-chart.js";
import { rateTable } from "../support/rate-table.js";
import { measureRounds } from "../support/rounds.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import type { ContenderName } from "./contender.js";
import { measureDisk } from "./disk.js";
import { ManagerProcesses } from "./manager-processes.js";
import { type Cell, type CellResult, timesAsFast } from "./rounds.js";
import { noteOnMysql } from "./mysql-store.js";

/** Members and sessions that come and go one by one. */
export const changes: Part<ChangesResult> = { slow: false, measure, tables, claims, charts };

interface ChangesResult {
  /** How long a write takes until it is on the disk, one at a time: half of the writes are quicker. */
  diskMs: number;
  cells: CellResult[];
}

const FEW = 1;
const MANY = 256;
/** Enough for what takes a microsecond. */
const MAX_CALLS = 200_000;

const FULL = { rounds: 5, durationMs: 1000, warmUpMs: 2000, maxCalls: MAX_CALLS };
const QUICK = { rounds: 2, durationMs: 150, warmUpMs: 200, maxCalls: MAX_CALLS };

function measure(quick: boolean): Promise<ChangesResult> {
  return inScope(async (scope) => {
    progress("changes: starting");
    const diskMs = await measureDisk();
    const cells = await measureRounds(await ManagerProcesses.start(scope), {
      part: "changes",
      pairs: [
        // The many first: they warm up both.
        { does: "add", undoes: "leave", windows: [MANY, FEW] },
        { does: "connect", undoes: "disconnect", windows: [MANY] },
      ],
      ...(quick ? QUICK : FULL),
    });
    return { diskMs, cells };
  });
}

function tables({ diskMs, cells }: ChangesResult): string[] {
  return [
    ...noteOnMysql(cells),
    rateTable(
      `changes: one member or session each call; a write is on this disk (\`fdatasync\`) after ${format(diskMs)} ms`,
      cells.toSorted((a, b) => a.outstanding - b.outstanding),
    ),
  ];
}

function charts({ cells }: ChangesResult): Chart[] {
  return [rateChart("changes: one member or session each call", cells)];
}

function claims({ cells }: ChangesResult): Claim[] {
  const add = (contender: ContenderName, outstanding: number): Cell => ({ operation: "add", outstanding, contender });
  return [
    ...timesAsFast(cells, {
      claim: `redis: times the SADDs/s of raw Redis, add, ${MANY} outstanding`,
      atLeast: 0.5,
      one: add("redis", MANY),
      other: add("raw Redis", MANY),
    }),
    ...timesAsFast(cells, {
      claim: `mysql: times the one-row INSERTs/s of raw MySQL, add, ${MANY} outstanding`,
      atLeast: 1,
      one: add("mysql", MANY),
      other: add("raw MySQL", MANY),
    }),
    ...timesAsFast(cells, {
      claim: `mysql: adds/s, ${MANY} outstanding, through those one at a time`,
      atLeast: 10,
      one: add("mysql", MANY),
      other: add("mysql", FEW),
    }),
  ];
}
