import { type ClockResult, shiftClocks } from "../../test/cluster/scenarios/clock.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** The clocks of some hosts are wrong: is anything else? */
export const clock: Part<ClockResult[]> = { slow: false, measure, tables, claims };

/** How far ahead they are. */
const SHIFTS_MS = [0, 60_000, -60_000];
const USERS = 1000;
const SEEN_AT_MOST_MS = 3000;
const LEFT_AFTER_MS = 15_000;
/** The count is asked for every so often, after which it is known. */
const POLL_MS = 50;

async function measure(): Promise<ClockResult[]> {
  const results: ClockResult[] = [];
  for (const shiftMs of SHIFTS_MS) {
    progress(`clock: ${shiftMs / 1000} s ahead`);
    results.push(await inScope((scope) => shiftClocks(ownedBy(scope), { shiftMs, users: USERS })));
  }
  return results;
}

function tables(results: readonly ClockResult[]): string[] {
  return [
    markdownTable(
      "clock: one of 2 frontends and one of 2 backends are on hosts whose clocks are ahead; then that frontend is killed",
      [
        ...["s ahead", "pushes", "complete", "leaves of the living"],
        ...["not counted after ms", "evicted after ms", "leaves told", "of"],
      ],
      results.map(({ shiftMs, goneMs = Infinity, evictedMs = Infinity, ...result }) => [
        format(shiftMs / 1000),
        ...[result.pushes, result.complete, result.leavesOfLiving].map(format),
        ...[goneMs, evictedMs, result.leaves, result.memberships].map(format),
      ]),
    ),
  ];
}

function claims(results: readonly ClockResult[]): Claim[] {
  const worst = (value: (result: ClockResult) => number): number => Math.max(...results.map(value));
  return [
    {
      claim: "clock: pushes that miss anyone, and leaves of the living",
      atMost: 0,
      measured: worst(({ pushes, complete, leavesOfLiving }) => pushes - complete + leavesOfLiving),
    },
    {
      claim: "clock: ms until a killed frontend is not counted, whatever the clocks",
      atMost: SEEN_AT_MOST_MS + POLL_MS,
      measured: worst(({ goneMs = Infinity }) => goneMs),
    },
    {
      claim: "clock: ms until it is evicted, whatever the clocks",
      atMost: LEFT_AFTER_MS,
      measured: worst(({ evictedMs = Infinity }) => evictedMs),
    },
    {
      claim: "clock: leaves told too few or too many",
      atMost: 0,
      measured: worst(({ leaves, memberships }) => Math.abs(leaves - memberships)),
    },
  ];
}
