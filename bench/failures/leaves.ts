import { killAgainAndAgain, type KillsResult } from "../../test/cluster/scenarios/kills.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** Frontends are killed again and again: is each membership's end told once? */
export const leaves: Part<KillsResult> = { slow: false, measure, tables, claims };

const FULL = { seed: 6, frontends: 6, kills: 100, users: 200, channels: 20 };
const QUICK = { ...FULL, kills: 6 };

function measure(quick: boolean): Promise<KillsResult> {
  const say = (text: string): void => progress(`leaves: ${text}`);
  return inScope((scope) => killAgainAndAgain(ownedBy(scope), { ...(quick ? QUICK : FULL), say }));
}

function tables({ kills, together, restarts, memberships, missing, twice, strange, restored }: KillsResult): string[] {
  const row = [kills, together, ...Object.values(restarts), memberships, missing, twice, strange, restored].map(format);
  const restarted = Object.keys(restarts).map((when) => `started again ${when}`);
  const title =
    "leaves: kills of frontends, 3 services that clean up and listen; of all listeners: memberships whose end was not told, was told more than once, and what else was told";
  const head = ["kills", "of those together", ...restarted, "memberships", "missing", "twice", "strange", "restored"];
  return [markdownTable(title, head, [row])];
}

function claims({ memberships, missing, twice, strange }: KillsResult): Claim[] {
  const of = `of ${format(memberships)}, at any of 3 listeners`;
  return [
    { claim: `leaves: memberships whose end was not told, ${of}`, atMost: 0, measured: missing },
    { claim: `leaves: memberships whose end was told twice, ${of}`, atMost: 0, measured: twice },
    { claim: `leaves: events of other reasons, or of other memberships`, atMost: 0, measured: strange },
  ];
}
