import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import type { Chart } from "../support/chart.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { BenchApplication } from "./application.js";
import type { ContenderName } from "./contender.js";
import type { PushResult } from "./push.js";
import { claimsOfRpc } from "./push-claims.js";
import { costsTable, speedChart, speedTable } from "./push-tables.js";
import { measurePushes, warmUp } from "./pushes.js";
import { type PushSample, summarize } from "./sample.js";

/** What a push costs where there are more connectors. */
export const connectors: Part<PushResult[]> = { slow: true, measure, tables, claims, charts };

const CONNECTORS = 10;
const TITLE = `connectors: ${CONNECTORS} of them`;
const MEMBERS = 100;
const OUTSTANDING = [1, 16];
const CONTENDERS: readonly ContenderName[] = ["original", "rpc", "redis"];

const FULL = { rounds: 3, durationMs: 700, warmUpMs: 3000, idleSeconds: 3 };
const QUICK = { rounds: 1, durationMs: 400, warmUpMs: 1000, idleSeconds: 2 };

async function measure(quick: boolean): Promise<PushResult[]> {
  const results: PushResult[] = [];
  for (const contender of CONTENDERS) results.push(...(await measureContender(contender, quick ? QUICK : FULL)));
  return results.toSorted((a, b) => a.outstanding - b.outstanding);
}

/** One application at a time: all the processes of three are many. What is counted here does not depend on the time of day. */
function measureContender(contender: ContenderName, plan: typeof FULL): Promise<PushResult[]> {
  return inScope(async (scope) => {
    progress(`connectors: starting ${contender}`);
    const application = await BenchApplication.start(scope, { contender, connectors: CONNECTORS, clients: MEMBERS });
    await application.fill(MEMBERS);
    progress(`connectors: warming up ${contender}`);
    await warmUp(application, { members: MEMBERS, outstanding: Math.max(...OUTSTANDING), durationMs: plan.warmUpMs });
    await application.measureIdle(plan.idleSeconds);
    const results: PushResult[] = [];
    for (const outstanding of OUTSTANDING) {
      const samples: PushSample[] = [];
      for (let round = 1; round <= plan.rounds; round++) {
        progress(`connectors: round ${round}/${plan.rounds}, ${contender}, ${outstanding} outstanding`);
        const load = { members: MEMBERS, outstanding, durationMs: plan.durationMs };
        samples.push(await measurePushes(application, load, samples.at(-1)?.perSecond));
      }
      const cell = { connectors: CONNECTORS, members: MEMBERS, outstanding, contender };
      results.push({ ...cell, runs: samples.length, ...summarize(samples) });
    }
    await application.check();
    return results;
  });
}

function charts(results: readonly PushResult[]): Chart[] {
  return [speedChart(TITLE, results)];
}

function tables(results: readonly PushResult[]): string[] {
  return [speedTable(TITLE, results), costsTable("connectors: what one push costs Redis and the network", results)];
}

function claims(results: readonly PushResult[]): Claim[] {
  return claimsOfRpc(results);
}
