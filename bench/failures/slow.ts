import { pushBesideSlow, type SlowFrontendRound, type Slowness } from "../../test/cluster/scenarios/slow-frontend.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format, formatSpread, measured } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** One frontend is slow: do pushes to the others wait for it? */
export const slow: Part<SlowFrontendRound[]> = { slow: false, measure, tables, claims };

const SLOWNESS: readonly Slowness[] = ["stopped", "busy"];
const LOAD = { slowness: SLOWNESS, frontends: 10, users: 90, slowEveryMs: 2, othersEveryMs: 5 };
const FULL = { ...LOAD, rounds: 5, durationMs: 12_000 };
const QUICK = { ...LOAD, rounds: 2, durationMs: 6000 };

const TIMES_AT_MOST = 1.5;

function measure(quick: boolean): Promise<SlowFrontendRound[]> {
  const say = (text: string): void => progress(`slow: ${text}`);
  return inScope((scope) => pushBesideSlow(ownedBy(scope), { ...(quick ? QUICK : FULL), say }));
}

function tables(rounds: readonly SlowFrontendRound[]): string[] {
  const times = (values: readonly number[]): string => formatSpread(measured(values));
  return [
    markdownTable(
      `slow: ms until the report of a push to ${LOAD.frontends - 1} frontends, ${1000 / LOAD.othersEveryMs}/s, beside ${1000 / LOAD.slowEveryMs}/s of the same backend to one that is slow`,
      [
        "slow by being",
        "p50 while it gets no pushes",
        "p50",
        "p99 while it gets no pushes",
        "p99",
        "times",
        "do not add up",
        "incomplete",
      ],
      SLOWNESS.map((slowness) => {
        const of = rounds.filter((round) => round.slowness === slowness);
        return [
          slowness,
          times(of.map(({ calm }) => calm.p50Ms)),
          times(of.map(({ slow: beside }) => beside.p50Ms)),
          times(of.map(({ calm }) => calm.p99Ms)),
          times(of.map(({ slow: beside }) => beside.p99Ms)),
          times(of.map(ratio)),
          format(of.reduce((sum, { wrong }) => sum + wrong.length, 0)),
          format(of.reduce((sum, { incomplete }) => sum + incomplete, 0)),
        ];
      }),
    ),
  ];
}

function ratio({ calm, slow: beside }: SlowFrontendRound): number {
  return beside.p99Ms / calm.p99Ms;
}

function claims(rounds: readonly SlowFrontendRound[]): Claim[] {
  const wrong = rounds.reduce((sum, round) => sum + round.wrong.length + round.incomplete, 0);
  return [
    ...SLOWNESS.map((slowness) => ({
      claim: `slow: times the p99 of pushes to the others while one that gets some too is ${slowness}`,
      atMost: TIMES_AT_MOST,
      measured: measured(rounds.filter((round) => round.slowness === slowness).map(ratio)),
    })),
    {
      claim: "slow: reports that do not add up, and pushes to the others that miss anyone",
      atMost: 0,
      measured: wrong,
    },
  ];
}
