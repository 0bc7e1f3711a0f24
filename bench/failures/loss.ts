import { loseEverything, type LossResult } from "../../test/cluster/scenarios/losses.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format, measured } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** Redis loses everything: how soon is it back? */
export const loss: Part<LossResult[]> = { slow: false, measure, tables, claims };

const KINDS = ["FLUSHALL", "SIGKILL, restarted empty"] as const;
const USERS = 50_000;
const FRONTENDS = 4;
const ROUNDS = { full: 3, quick: 1 };
const BACK_AT_MOST_MS = 5000;
const PATIENCE_MS = 60_000;

function measure(quick: boolean): Promise<LossResult[]> {
  const losses = Array.from({ length: quick ? ROUNDS.quick : ROUNDS.full }, () => KINDS).flat();
  const say = (text: string): void => progress(`loss: ${text}`);
  const plan = { losses, users: USERS, frontends: FRONTENDS, withinMs: PATIENCE_MS, say };
  return inScope((scope) => loseEverything(ownedBy(scope), plan));
}

function tables(results: readonly LossResult[]): string[] {
  return [
    markdownTable(
      `loss: Redis loses everything, ${FRONTENDS} frontends; ms since it is there`,
      ["what happens", "memberships", "all memberships and sessions are back", "a push reaches all", "joins told"],
      results.map(({ loss: what, memberships, backMs = Infinity, pushedMs = Infinity, joins }) => [
        what,
        ...[memberships, backMs, pushedMs, joins].map(format),
      ]),
    ),
  ];
}

function claims(results: readonly LossResult[]): Claim[] {
  return KINDS.flatMap((kind) => {
    const ofKind = results.filter(({ loss: what }) => what === kind);
    const memberships = format(ofKind[0]!.memberships);
    return [
      {
        claim: `loss: ms until ${memberships} memberships and all sessions are back, ${kind}`,
        atMost: BACK_AT_MOST_MS,
        measured: measured(ofKind.map(({ backMs = Infinity }) => backMs)),
      },
      {
        claim: `loss: ms until a push reaches all, ${kind}`,
        atMost: BACK_AT_MOST_MS,
        measured: measured(ofKind.map(({ pushedMs = Infinity }) => pushedMs)),
      },
    ];
  });
}
