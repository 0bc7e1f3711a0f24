import { BenchCluster } from "./cluster/cluster.js";
import { oneChannel } from "./cluster/channels.js";
import { measureInRounds } from "./cluster/rounds.js";
import { type Cell, type CellResult, cpuMicroseconds, summarize } from "./cluster/sample.js";
import { warmUpLoads } from "./cluster/warm-up.js";
import type { ContenderName } from "./contenders/contender.js";
import type { Bench, Part } from "./support/bench.js";
import type { Chart, LineChart } from "./support/chart.js";
import type { Claim } from "./support/claims.js";
import type { Load } from "./support/load.js";
import { progress } from "./support/progress.js";
import { inScope } from "./support/scope.js";
import { format, formatSpread, measured, type Measured } from "./support/statistics.js";
import { markdownTable } from "./support/table.js";

const WINDOW = 64;
/** While frontends are added. Divisible by all their numbers. */
const USUAL_MEMBERS = 6400;
/** While members are added. */
const USUAL_FRONTENDS = 10;
const FEW_MEMBERS = 100;

/** The original sends the uid of every member: it pushes until it has sent about so many, or the time is over. */
const UIDS_OF_ORIGINAL = 3_200_000;

/**
 * A run also costs something for each frontend: it is told to begin and asked what has come. Where a push takes the machine
 * longer because there are more frontends, so does the run, or that would not be lost among so few pushes.
 */
const FRONTENDS_PER_DURATION = 16;

/** From as many frontends on, a round takes so long that three have to do. */
const MANY_FRONTENDS = 64;
const ROUNDS_WITH_MANY = 3;

/** What is added in a series of cells. */
type Axis = "frontends" | "members";

interface Plan {
  contenders: readonly ContenderName[];
  frontends: readonly number[];
  members: readonly number[];
  rounds: number;
  /** With few frontends. */
  durationMs: number;
  /** With few frontends. */
  warmUpMs: number;
  /** Of {@link UIDS_OF_ORIGINAL}. */
  shareOfUids: number;
}

const FULL: Plan = {
  contenders: ["globalchannel", "original", "raw"],
  frontends: [1, 2, 4, 8, 16, 32, MANY_FRONTENDS],
  members: [FEW_MEMBERS, 1000, 10_000, 100_000, 1_000_000],
  rounds: 5,
  durationMs: 1500,
  warmUpMs: 5000,
  shareOfUids: 1,
};

/** What the promises are about. */
const QUICK: Plan = {
  contenders: ["globalchannel", "original"],
  frontends: [1, 16],
  members: [FEW_MEMBERS, 100_000],
  rounds: 3,
  durationMs: 300,
  warmUpMs: 1500,
  shareOfUids: 0.4,
};

interface ScaleCell extends Cell {
  axis: Axis;
}

interface ScaleResult extends ScaleCell, CellResult {
  /** CPU time of a push, in microseconds: of the backend, all frontends and Redis. */
  cpuMicroseconds: Measured;
}

const pushes: Part<ScaleResult[]> = {
  slow: false,
  async measure(quick) {
    const plan = quick ? QUICK : FULL;
    const results: ScaleResult[] = [];
    for (const frontends of plan.frontends) {
      results.push(...(await measureAt(frontends, "frontends", [USUAL_MEMBERS], plan)));
    }
    results.push(...(await measureAt(USUAL_FRONTENDS, "members", plan.members, plan)));
    return results;
  },
  tables,
  claims,
  charts,
};

export const scale: Bench = {
  name: "scale",
  question: "What does a push cost as the frontends become more, and as the members do? No clients",
  quick: "less than a minute: fewer steps, only what the promises are about",
  parts: { pushes },
};

function measureAt(frontends: number, axis: Axis, counts: readonly number[], plan: Plan): Promise<ScaleResult[]> {
  return inScope(async (scope) => {
    progress(`scale: starting ${frontends} frontends`);
    const { contenders } = plan;
    const cluster = await BenchCluster.start(scope, { frontends, clients: "none", contenders });
    for (const members of counts) {
      progress(`scale: filling a channel of ${members} members`);
      await cluster.fill(oneChannel(members));
    }
    const longer = Math.max(1, frontends / FRONTENDS_PER_DURATION);
    const loadOf = (durationMs: number, { contender, members }: Pick<Cell, "contender" | "members">): Load => ({
      window: WINDOW,
      durationMs: durationMs * longer,
      maxCalls: contender === "original" ? Math.ceil((UIDS_OF_ORIGINAL * plan.shareOfUids) / members) : Infinity,
    });
    for (const contender of contenders) {
      progress(`scale: warming up ${contender} with ${frontends} frontends`);
      await cluster.warmUp(contender, { channels: oneChannel(counts[0]!) }, warmUpLoads(plan.warmUpMs * longer));
    }
    const cells = counts.flatMap((members) =>
      contenders.map((contender): ScaleCell => ({ axis, frontends, members, contender, window: WINDOW })),
    );
    const results = await measureInRounds(cells, {
      rounds: frontends < MANY_FRONTENDS ? plan.rounds : Math.min(plan.rounds, ROUNDS_WITH_MANY),
      label: ({ members, contender }) => `scale: S=${frontends}, N=${members}, ${contender}`,
      measure: (cell) =>
        cluster.measure(cell.contender, {
          channels: oneChannel(cell.members),
          load: loadOf(plan.durationMs, cell),
        }),
    });
    return results.map(({ cell, samples }) => ({
      ...summarize(cell, samples),
      cpuMicroseconds: measured(samples.map(cpuMicroseconds)),
    }));
  });
}

function tables(results: readonly ScaleResult[]): string[] {
  return [
    markdownTable(
      `pushes to one channel, ${WINDOW} outstanding; with ${MANY_FRONTENDS} frontends, there are ${ROUNDS_WITH_MANY} rounds`,
      [
        ...["S", "N", "contender", "pushes/s", "CPU µs/push: backend", "all frontends", "Redis"],
        ...["all", "all, for each frontend"],
      ],
      results.map(({ frontends, members, contender, pushesPerSecond, perPush, cpuMicroseconds: cost }) => [
        ...[String(frontends), format(members), contender, formatSpread(pushesPerSecond)],
        ...[perPush.backendCpuMs, perPush.frontendsCpuMs, perPush.redisCpuMs].map((ms) => format(ms * 1000)),
        ...[formatSpread(cost), format(cost.median / frontends)],
      ]),
    ),
  ];
}

function charts(results: readonly ScaleResult[]): Chart[] {
  const lines = (axis: Axis, others: string): LineChart => ({
    kind: "lines",
    title: `CPU time of a push by the number of ${axis}, ${others}, ${WINDOW} outstanding`,
    unit: "CPU µs/push",
    isLogarithmic: true,
    x: { title: axis, isLogarithmic: true },
    points: results
      .filter((result) => result.axis === axis)
      .map((result) => ({ contender: result.contender, x: result[axis], value: result.cpuMicroseconds })),
  });
  return [lines("frontends", `${format(USUAL_MEMBERS)} members`), lines("members", `${USUAL_FRONTENDS} frontends`)];
}

function claims(results: readonly ScaleResult[]): Claim[] {
  const costs = (axis: Axis) =>
    results
      .filter((result) => result.axis === axis && result.contender === "globalchannel")
      .map((result) => ({ count: result[axis], cost: result.cpuMicroseconds.median }));
  const byFrontends = costs("frontends");
  const [alone, ...more] = byFrontends;
  const growths = more.map(({ count, cost }) => cost / alone!.cost / (count / alone!.count));
  const byMembers = costs("members");
  const [few, many] = [byMembers[0]!, byMembers.at(-1)!];
  return [
    {
      claim: `globalchannel: times its CPU time per push has grown since S = ${alone!.count}, by times S has, at worst`,
      atMost: 1,
      measured: Math.max(...growths),
    },
    {
      claim: `globalchannel: times its CPU time per push at N = ${format(few.count)}, at N = ${format(many.count)}, S = ${USUAL_FRONTENDS}`,
      atMost: 1.5,
      measured: many.cost / few.cost,
    },
  ];
}
