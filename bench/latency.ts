import { oneChannel } from "./cluster/channels.js";
import { BenchCluster } from "./cluster/cluster.js";
import { MAX_P99_MS, MAX_TRAIL_MS } from "./cluster/rate-sample.js";
import { measureInRounds } from "./cluster/rounds.js";
import { warmUpLoads } from "./cluster/warm-up.js";
import { CONTENDERS, type ContenderName } from "./contenders/contender.js";
import { acknowledges } from "./contenders/index.js";
import { findHighestRate, type HighestRate, type Search, WINDOW } from "./latency/highest-rate.js";
import { type Cell, type LatencyResult, summarize } from "./latency/sample.js";
import type { Bench, Part } from "./support/bench.js";
import type { Chart } from "./support/chart.js";
import { progress } from "./support/progress.js";
import { inScope } from "./support/scope.js";
import { format, formatSpread, type Measured, round } from "./support/statistics.js";
import { markdownTable } from "./support/table.js";

const FRONTENDS = 10;
const MEMBERS = 1000;
/** Percent of the highest rate held. */
const LOADS = [10, 50, 80] as const;

interface Plan {
  contenders: readonly ContenderName[];
  warmUpMs: number;
  search: Pick<Search, "durationMs" | "tries">;
  rounds: number;
  durationMs: number;
}

const FULL: Plan = {
  contenders: CONTENDERS,
  warmUpMs: 6000,
  search: { durationMs: 1500, tries: 2 },
  rounds: 5,
  durationMs: 3000,
};

const QUICK: Plan = {
  contenders: ["globalchannel", "redis-adapter", "raw"],
  warmUpMs: 2000,
  search: { durationMs: 400, tries: 1 },
  rounds: 2,
  durationMs: 700,
};

interface Results {
  highestRates: HighestRate[];
  latencies: LatencyResult[];
}

const openLoop: Part<Results> = {
  slow: false,
  measure: (quick) => measure(quick ? QUICK : FULL),
  tables,
  charts,
};

export const latency: Bench = {
  name: "latency",
  question: "How long does a push take under a fixed load, beside what else there is? No clients",
  quick: "less than a minute: fewer contenders, fewer and shorter rounds",
  parts: { openLoop },
  packages: ["socket.io", "@socket.io/redis-adapter", "@socket.io/redis-streams-adapter", "bullmq"],
};

function measure({ contenders, warmUpMs, search, rounds, durationMs }: Plan): Promise<Results> {
  return inScope(async (scope) => {
    progress(`latency: starting ${FRONTENDS} frontends`);
    const cluster = await BenchCluster.start(scope, { frontends: FRONTENDS, clients: "none", contenders });
    const channels = oneChannel(MEMBERS);
    await cluster.fill(channels);
    const highestRates: HighestRate[] = [];
    for (const contender of contenders) {
      progress(`latency: warming up ${contender}`);
      await cluster.warmUp(contender, { channels }, warmUpLoads(warmUpMs));
      progress(`latency: looking for the highest rate that ${contender} holds`);
      highestRates.push(await findHighestRate(cluster, contender, { channels, ...search }));
    }
    const measured = await measureInRounds(cellsOf(highestRates), {
      rounds,
      label: ({ contender, load }) => `latency: ${contender}, load ${load} %`,
      measure: ({ contender, perSecond }) =>
        cluster.measureAtRate(contender, { channels, rate: { perSecond, durationMs } }),
    });
    return { highestRates, latencies: measured.map(({ cell, samples }) => summarize(cell, samples)) };
  });
}

/** In the order in which they are measured: contenders take turns. */
function cellsOf(highestRates: readonly HighestRate[]): Cell[] {
  return LOADS.flatMap((load) =>
    highestRates.map(({ contender, heldPerSecond }) => ({
      contender,
      load,
      perSecond: round((heldPerSecond * load) / 100),
    })),
  );
}

function tables({ highestRates, latencies }: Results): string[] {
  return [
    markdownTable(
      `the highest rate held: p99 at most ${MAX_P99_MS} ms, and all at the last frontend's connector at most ${MAX_TRAIL_MS} ms after the last was due; S = ${FRONTENDS}, N = ${format(MEMBERS)}`,
      ["contender", "answers", `pushes/s, ${WINDOW} outstanding`, "highest pushes/s held"],
      highestRates.map(({ contender, closedLoopPerSecond, heldPerSecond }) => [
        contender,
        answers(contender),
        format(closedLoopPerSecond),
        format(heldPerSecond),
      ]),
    ),
    markdownTable(
      "ms from when a push was due until it was at the last frontend's connector; of these, until the backend began it",
      [
        ...["load", "contender", "answers", "pushes/s", "runs held"],
        ...["p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "begun late: p50 ms", "p99 ms"],
      ],
      latencies.map((result) => [
        ...[`${result.load} %`, result.contender, answers(result.contender), format(result.perSecond)],
        `${result.runsHeld}/${result.runs}`,
        formatSpread(withSpread(result.p50Ms, result.p50OfRunsMs)),
        format(result.p90Ms),
        formatSpread(withSpread(result.p99Ms, result.p99OfRunsMs)),
        ...[result.p999Ms, result.maxMs, result.lateP50Ms, result.lateP99Ms].map(format),
      ]),
    ),
  ];
}

function charts({ latencies }: Results): Chart[] {
  return (["p50", "p99"] as const).map((percentile) => ({
    kind: "lines",
    title: `Latency of a push to ${format(MEMBERS)} members at ${FRONTENDS} frontends, ${percentile}`,
    unit: "ms",
    isLogarithmic: true,
    x: { title: "load, % of the highest rate that each holds" },
    points: latencies.map((result) => ({
      contender: result.contender,
      x: result.load,
      value: withSpread(result[`${percentile}Ms`], result[`${percentile}OfRunsMs`]),
    })),
  }));
}

function answers(contender: ContenderName): string {
  return acknowledges(contender) ? "yes" : "no";
}

/** What all runs together give, with what each by itself does. */
function withSpread(value: number, { min, max }: Measured): Measured {
  return { median: value, min, max };
}
