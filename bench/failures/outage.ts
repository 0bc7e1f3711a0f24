import { takeRedisAway, type OutageResult } from "../../test/cluster/scenarios/outage.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** Redis is away under load: what do calls do, what do processes, and how soon does all go on? */
export const outage: Part<OutageResult> = { slow: false, measure, tables, claims };

const PLAN = { awayMs: 30_000, frontends: 4, clients: 25, leaseMs: 3000, everyMs: 10 };

const FAILS_WITHIN_MS = 1000;
const GOOD_WITHIN_MS = 1000;
const GROWS_AT_MOST_MB = 20;

function measure(): Promise<OutageResult> {
  const say = (text: string): void => progress(`outage: ${text}`);
  return inScope((scope) => takeRedisAway(ownedBy(scope), { ...PLAN, say }));
}

function tables(result: OutageResult): string[] {
  const rows: [string, number][] = [
    ["processes that have ended", result.crashes],
    ["calls in all", result.calls],
    ["calls begun while Redis was away", result.begun],
    ["of those failed", result.refused],
    ["the longest of them, ms", result.slowestMs],
    ["of them failed, not temporarily", result.notTemporary.length],
    ["calls under way when Redis went", result.underWay],
    ["the longest of them, ms", result.slowestUnderWayMs],
    ["reports that do not add up", result.wrong.length],
    ["pushes under way then or begun later that failed, not temporarily", result.otherNotTemporary],
    ["growth of the process that grew most, MB of heap in use", result.growthBytes / 1e6],
    ["first complete report, ms after Redis was there", result.firstGoodMs],
  ];
  const { frontends, clients, awayMs, everyMs } = PLAN;
  const title = `outage: Redis is stopped for ${awayMs / 1000} s; ${frontends} frontends with ${clients} clients each, 3 backends that push and make another call every ${everyMs} ms`;
  return [
    markdownTable(
      title,
      ["", "measured"],
      rows.map(([what, value]) => [what, format(value)]),
    ),
  ];
}

function claims(result: OutageResult): Claim[] {
  return [
    { claim: "outage: processes that have ended", atMost: 0, measured: result.crashes },
    {
      claim: "outage: ms, the longest call that was begun while Redis was away",
      atMost: FAILS_WITHIN_MS,
      measured: result.slowestMs,
    },
    { claim: "outage: of those, failed with no temporary error", atMost: 0, measured: result.notTemporary.length },
    { claim: "outage: reports that do not add up", atMost: 0, measured: result.wrong.length },
    {
      claim: "outage: MB that the heap in use of a process grows by, at most",
      atMost: GROWS_AT_MOST_MB,
      measured: result.growthBytes / 1e6,
    },
    {
      claim: "outage: ms until the first complete report, since Redis was there",
      atMost: GOOD_WITHIN_MS,
      measured: result.firstGoodMs,
    },
  ];
}
