import { restartOneByOne, type RollingRestartResult } from "../../test/cluster/scenarios/rolling-restart.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** All frontends are restarted, one after the other: what do reports say, and what do listeners see? */
export const rolling: Part<RollingResult[]> = { slow: false, measure, tables, claims };

/** Each way in which clients come back, and how often a user may be seen to leave and join. */
const WAYS = [
  { destination: "home", leaveDelayMs: 0, flapsAtMost: 1 },
  { destination: "restarted", leaveDelayMs: 0, flapsAtMost: 1 },
  { destination: "restarted", leaveDelayMs: 10_000, flapsAtMost: 0 },
] as const;

const FULL = { frontends: 10, clients: 20, everyMs: 10 };
const QUICK = { frontends: 5, clients: 20, everyMs: 10 };

type Way = (typeof WAYS)[number];
type RollingResult = Way & RollingRestartResult & { frontends: number };

async function measure(quick: boolean): Promise<RollingResult[]> {
  const plan = quick ? QUICK : FULL;
  const say = (text: string): void => progress(`rolling: ${text}`);
  const results: RollingResult[] = [];
  for (const way of WAYS) {
    const { destination, leaveDelayMs } = way;
    const result = await inScope((scope) =>
      restartOneByOne(ownedBy(scope), { ...plan, destination, leaveDelayMs, say }),
    );
    results.push({ ...way, ...result, frontends: plan.frontends });
  }
  return results;
}

function tables(results: readonly RollingResult[]): string[] {
  return [
    markdownTable(
      `rolling: ${results[0]!.frontends} frontends are stopped and started again, one after the other, under load`,
      [
        ...["clients go to", "leaveDelayMs", "users", "pushes", "complete", "do not add up"],
        ...["flaps in all", "of one user", "members at the end", "reached then"],
      ],
      results.map(
        ({ destination, leaveDelayMs, users, pushes, complete, wrong, flaps, mostFlaps, members, reached }) => [
          destination,
          ...[leaveDelayMs, users, pushes, complete, wrong.length, flaps, mostFlaps, members, reached].map(format),
        ],
      ),
    ),
  ];
}

function claims(results: readonly RollingResult[]): Claim[] {
  return results.flatMap(({ destination, leaveDelayMs, flapsAtMost, wrong, mostFlaps, users, reached }) => [
    { claim: `rolling: reports that do not add up, clients go to ${destination}`, atMost: 0, measured: wrong.length },
    {
      claim: `rolling: leave/join pairs of one user, clients go to ${destination}, leaveDelayMs ${leaveDelayMs}`,
      atMost: flapsAtMost,
      measured: mostFlaps,
    },
    { claim: `rolling: clients that a push at the end does not reach`, atMost: 0, measured: users - reached },
  ]);
}
