import { setTimeout as sleep } from "node:timers/promises";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import type { Chart } from "../support/chart.js";
import { progress } from "../support/progress.js";
import { inScope, type Scope } from "../support/scope.js";
import { BenchApplication } from "./application.js";
import type { ContenderName } from "./contender.js";
import { claimsOfPushes } from "./push-claims.js";
import { costsTable, speedChart, speedTable } from "./push-tables.js";
import { measurePushes, warmUp } from "./pushes.js";
import { type PushSample, summarize, type Summary } from "./sample.js";

/** From the call until the callback, and until every client has got it. */
export const push: Part<PushResult[]> = { slow: false, measure, tables, claims, charts };

const CONNECTORS = 3;
const TITLE = `push: real Pomelo clients at ${CONNECTORS} connectors`;
const WARM_UP = { members: 100, outstanding: 128 };
/** How long after the end something that is there twice may arrive. */
const AFTERMATH_MS = 200;

export interface PushCell {
  connectors: number;
  members: number;
  /** How many pushes. */
  outstanding: number;
  contender: ContenderName;
}

export type PushResult = PushCell & { runs: number } & Summary<PushSample>;

interface Plan {
  contenders: readonly ContenderName[];
  members: readonly number[];
  outstanding: readonly number[];
  /** Whether a cell is left out. */
  skip: (cell: PushCell) => boolean;
  rounds: number;
  durationMs: number;
  warmUpMs: number;
  idleSeconds: number;
}

const FULL: Plan = {
  contenders: ["original", "rpc", "rpc, rpcNoDelay: false", "redis"],
  members: [3, 100, 1000, 3000],
  outstanding: [1, 16, 128],
  // It differs where somebody waits for a single push.
  skip: ({ contender, members, outstanding }) =>
    contender === "rpc, rpcNoDelay: false" && (outstanding > 1 || members > 100),
  rounds: 5,
  durationMs: 700,
  warmUpMs: 4000,
  idleSeconds: 4,
};

/** What the promises are about. */
const QUICK: Plan = {
  contenders: ["original", "rpc", "redis"],
  members: [100, 3000],
  outstanding: [1, 16],
  skip: ({ members, outstanding }) => (members === 100) !== (outstanding === 1),
  rounds: 3,
  durationMs: 400,
  warmUpMs: 1500,
  idleSeconds: 2,
};

async function measure(quick: boolean): Promise<PushResult[]> {
  const plan = quick ? QUICK : FULL;
  return inScope((scope) => measureCells(scope, cellsOf(plan), plan));
}

/** All applications run from the beginning to the end, so that they can take turns: those that wait need next to nothing. */
async function measureCells(scope: Scope, cells: readonly PushCell[], plan: Plan): Promise<PushResult[]> {
  const applications = new Map<ContenderName, BenchApplication>();
  for (const contender of plan.contenders) {
    const channels = new Set(cells.filter((cell) => cell.contender === contender).map(({ members }) => members));
    applications.set(contender, await startApplication(scope, contender, [...channels]));
  }
  for (const application of applications.values()) {
    progress(`push: warming up ${application.contender}`);
    await warmUp(application, { ...WARM_UP, durationMs: plan.warmUpMs });
  }
  progress("push: doing nothing");
  await Promise.all([...applications.values()].map((application) => application.measureIdle(plan.idleSeconds)));

  const results = cells.map((cell) => ({ cell, samples: [] as PushSample[] }));
  for (let round = 1; round <= plan.rounds; round++) {
    for (const { cell, samples } of results) {
      const { contender, members, outstanding } = cell;
      progress(`push: round ${round}/${plan.rounds}, N=${members}, ${contender}, ${outstanding} outstanding`);
      const load = { members, outstanding, durationMs: plan.durationMs };
      samples.push(await measurePushes(applications.get(contender)!, load, samples.at(-1)?.perSecond));
    }
  }
  await sleep(AFTERMATH_MS);
  for (const application of applications.values()) await application.check();
  return results.map(({ cell, samples }) => ({ ...cell, runs: samples.length, ...summarize(samples) }));
}

async function startApplication(
  scope: Scope,
  contender: ContenderName,
  channels: readonly number[],
): Promise<BenchApplication> {
  progress(`push: starting ${contender}`);
  const clients = Math.max(...channels);
  const application = await BenchApplication.start(scope, { contender, connectors: CONNECTORS, clients });
  for (const members of channels) await application.fill(members);
  return application;
}

/** In the order in which they are measured: contenders take turns. */
function cellsOf({ contenders, members, outstanding, skip }: Plan): PushCell[] {
  return members
    .flatMap((count) =>
      outstanding.flatMap((pushes) =>
        contenders.map((contender) => ({ connectors: CONNECTORS, members: count, outstanding: pushes, contender })),
      ),
    )
    .filter((cell) => !skip(cell));
}

function charts(results: readonly PushResult[]): Chart[] {
  return [speedChart(TITLE, results)];
}

function tables(results: readonly PushResult[]): string[] {
  return [speedTable(TITLE, results), costsTable("push: what one push costs Redis and the network", results)];
}

function claims(results: readonly PushResult[]): Claim[] {
  return claimsOfPushes(results);
}
