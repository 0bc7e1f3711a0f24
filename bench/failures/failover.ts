import { failOver, type FailoverCause, type FailoverResult } from "../../test/topology/failover.js";
import type { FailoverMode } from "../../test/topology/servers.js";
import type { Chart } from "../support/chart.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format, formatSpread, measured } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** A primary is killed, or hangs, under load: how soon is a push good again, and what do reports say until then? */
export const failover: Part<FailoverResult[]> = { slow: false, measure, tables, claims, charts };

const MODES: readonly FailoverMode[] = ["Redis Cluster", "Sentinel"];
const CAUSES: readonly FailoverCause[] = ["killed", "hangs"];
const ROUNDS = { full: 5, quick: 1 };
const SILENT_MS = 1000;

const GOOD_WITHIN_MS = 2000;

/** In turn, each time with new servers. */
async function measure(quick: boolean): Promise<FailoverResult[]> {
  const rounds = quick ? ROUNDS.quick : ROUNDS.full;
  const results: FailoverResult[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const mode of MODES) {
      for (const cause of CAUSES) {
        progress(`failover: ${mode}, a primary ${verbOf(cause)}, ${round} of ${rounds}`);
        results.push(await inScope((scope) => failOver(ownedBy(scope), { mode, cause, silentMs: SILENT_MS })));
      }
    }
  }
  return results;
}

const COUNTS = ["pushes", "refused", "targeted", "delivered", "failed", "unknown"] as const;

function tables(results: readonly FailoverResult[]): string[] {
  const rows = groupsOf(results).map(({ mode, cause, runs }) => [
    mode,
    cause,
    format(runs.length),
    ...([takenOver, firstGood, lastBad] as const).map((of) => formatSpread(measured(runs.map(of)))),
    ...COUNTS.map((what) => format(sum(runs, (run) => run[what]))),
    format(sum(runs, ({ doNotAddUp }) => doNotAddUp.length)),
  ]);
  return [
    markdownTable(
      `failover: a primary without which no push gets by is killed, or hangs; 3 frontends, a push every 5 ms, a member who comes or goes every 4 ms; ms since it was gone, a silence of ${format(SILENT_MS)} ms counts as gone; the pushes until all were good again, of all runs`,
      [
        ...["mode", "the primary", "runs", "a replica takes writes", "first good push", "the last one that was not"],
        ...[
          "pushes",
          "failed without a report",
          "members in the reports of the others",
          "delivered",
          "failed",
          "unknown",
        ],
        "reports that do not add up",
      ],
      rows,
    ),
  ];
}

function charts(results: readonly FailoverResult[]): Chart[] {
  return [
    {
      kind: "bars",
      title: "failover: from when a primary is gone until the first good push",
      unit: "ms",
      bars: groupsOf(results).map(({ mode, cause, runs }) => ({
        group: `${mode}: ${cause}`,
        contender: "globalchannel",
        value: measured(runs.map(firstGood)),
      })),
    },
  ];
}

function claims(results: readonly FailoverResult[]): Claim[] {
  return [
    ...groupsOf(results).map(({ mode, cause, runs }) => ({
      claim: `failover: ms from when a replica takes writes until the first good push, ${mode}, a primary ${verbOf(cause)}, the longest`,
      atMost: GOOD_WITHIN_MS,
      measured: Math.max(...runs.map((run) => run.firstGoodMs - run.takenOverMs)),
    })),
    {
      claim: "failover: ms from when a replica takes writes until the last push that was not good, the longest",
      atMost: GOOD_WITHIN_MS,
      measured: Math.max(...results.map((run) => run.lastBadMs - run.takenOverMs)),
    },
    {
      claim: "failover: reports that do not add up",
      atMost: 0,
      measured: sum(results, ({ doNotAddUp }) => doNotAddUp.length),
    },
    {
      claim: "failover: members, sessions, subscriptions and deliveries that are not as they should be in the end",
      atMost: 0,
      measured: sum(results, ({ wrong }) => wrong.length),
    },
  ];
}

function groupsOf(results: readonly FailoverResult[]) {
  return MODES.flatMap((mode) =>
    CAUSES.map((cause) => ({
      mode,
      cause,
      runs: results.filter((result) => result.mode === mode && result.cause === cause),
    })),
  );
}

const takenOver = ({ takenOverMs }: FailoverResult): number => takenOverMs;
const firstGood = ({ firstGoodMs }: FailoverResult): number => firstGoodMs;
const lastBad = ({ lastBadMs }: FailoverResult): number => lastBadMs;

function sum(results: readonly FailoverResult[], of: (result: FailoverResult) => number): number {
  return results.reduce((total, result) => total + of(result), 0);
}

function verbOf(cause: FailoverCause): string {
  return cause === "killed" ? "is killed" : "hangs";
}
