import { type Outage, type OutageResult, takeRedisAway } from "../../test/cluster/scenarios/outage.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** Redis is away under load: what do calls do, what do processes, and how soon does all go on? */
export const outage: Part<OutageResult[]> = { slow: false, measure, tables, claims };

const PLAN = { awayMs: 30_000, frontends: 4, clients: 25, leaseMs: 3000, everyMs: 10 };
const OUTAGES: readonly Outage[] = ["gone", "hangs"];

const FAILS_WITHIN_MS = 1000;
const GOOD_WITHIN_MS = 1000;
const GROWS_AT_MOST_MB = 20;

/** One after the other. */
async function measure(): Promise<OutageResult[]> {
  const say = (text: string): void => progress(`outage: ${text}`);
  const results: OutageResult[] = [];
  for (const kind of OUTAGES)
    results.push(await inScope((scope) => takeRedisAway(ownedBy(scope), { ...PLAN, outage: kind, say })));
  return results;
}

const ROWS: readonly [string, (result: OutageResult) => number][] = [
  ["processes that have ended", ({ crashes }) => crashes],
  ["calls in all", ({ calls }) => calls],
  ["calls begun while Redis was away", ({ begun }) => begun],
  ["of those failed", ({ refused }) => refused],
  ["the longest of them, ms", ({ slowestMs }) => slowestMs],
  ["of them failed, not temporarily", ({ notTemporary }) => notTemporary.length],
  ["calls under way when Redis went", ({ underWay }) => underWay],
  ["the longest of them, ms", ({ slowestUnderWayMs }) => slowestUnderWayMs],
  ["reports that do not add up", ({ wrong }) => wrong.length],
  ["pushes under way then or begun later that failed, not temporarily", ({ otherNotTemporary }) => otherNotTemporary],
  ["growth of the process that grew most, MB of heap in use", ({ growthBytes }) => growthBytes / 1e6],
  ["first complete report, ms after Redis was there", ({ firstGoodMs }) => firstGoodMs],
];

function tables(results: readonly OutageResult[]): string[] {
  const { frontends, clients, awayMs, everyMs } = PLAN;
  const title = `outage: Redis is gone, and comes back empty, or hangs, for ${awayMs / 1000} s; ${frontends} frontends with ${clients} clients each, 3 backends that push and make another call every ${everyMs} ms`;
  return [
    markdownTable(
      title,
      ["", ...OUTAGES],
      ROWS.map(([what, of]) => [what, ...results.map((result) => format(of(result)))]),
    ),
  ];
}

function claims(results: readonly OutageResult[]): Claim[] {
  return results.flatMap((result, index) => {
    const name = `outage: Redis ${OUTAGES[index] === "gone" ? "is gone" : "hangs"}:`;
    return [
      { claim: `${name} processes that have ended`, atMost: 0, measured: result.crashes },
      {
        claim: `${name} ms, the longest call that was begun meanwhile`,
        atMost: FAILS_WITHIN_MS,
        measured: result.slowestMs,
      },
      { claim: `${name} of those, failed with no temporary error`, atMost: 0, measured: result.notTemporary.length },
      { claim: `${name} reports that do not add up`, atMost: 0, measured: result.wrong.length },
      {
        claim: `${name} MB that the heap in use of a process grows by, at most`,
        atMost: GROWS_AT_MOST_MB,
        measured: result.growthBytes / 1e6,
      },
      {
        claim: `${name} ms until the first complete report, since it was there`,
        atMost: GOOD_WITHIN_MS,
        measured: result.firstGoodMs,
      },
    ];
  });
}
