import { stall as stallFrontend, type StallResult } from "../../test/cluster/scenarios/stall.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** A frontend stands still past its lease and goes on: who is a member then? */
export const stall: Part<StallResult[]> = { slow: false, measure, tables, claims };

/** Past the lease, past the grace, and while it is evicted. */
const STALLS_MS = [4000, 13_500, 16_000];
const USERS = 500;
const WITHIN_MS = 10_000;

async function measure(quick: boolean): Promise<StallResult[]> {
  const results: StallResult[] = [];
  for (const stallMs of quick ? STALLS_MS.slice(0, 2) : STALLS_MS) {
    progress(`stall: for ${stallMs / 1000} s`);
    const plan = { stallMs, users: USERS, withinMs: WITHIN_MS };
    results.push(await inScope((scope) => stallFrontend(ownedBy(scope), plan)));
  }
  return results;
}

function tables(results: readonly StallResult[]): string[] {
  return [
    markdownTable(
      "stall: a frontend is stopped (SIGSTOP) for longer than its lease, and goes on; 3 listeners",
      [
        "for s",
        "memberships before",
        "after",
        "listed, large channel",
        "more than once",
        "leaves told, of all",
        "unbalanced",
      ],
      results.map(({ stallMs, memberships, members, listed, doubled, leaves, unbalanced }) => [
        format(stallMs / 1000),
        ...[memberships, members, listed, doubled, leaves, unbalanced].map(format),
      ]),
    ),
  ];
}

function claims(results: readonly StallResult[]): Claim[] {
  const sum = (value: (result: StallResult) => number): number =>
    results.reduce((all, result) => all + value(result), 0);
  return [
    {
      claim: "stall: members lost or too many",
      atMost: 0,
      measured: sum(({ members, memberships }) => Math.abs(members - memberships)),
    },
    { claim: "stall: members listed more than once", atMost: 0, measured: sum(({ doubled }) => doubled) },
    {
      claim: "stall: memberships whose joins and leaves do not balance",
      atMost: 0,
      measured: sum((one) => one.unbalanced),
    },
  ];
}
