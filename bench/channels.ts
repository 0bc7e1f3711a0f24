import { BenchCluster } from "./cluster/cluster.js";
import type { Channels } from "./cluster/channels.js";
import { measureInRounds } from "./cluster/rounds.js";
import { type Cell, type CellResult, findCell, summarize, timesTheRate } from "./cluster/sample.js";
import { warmUpLoads } from "./cluster/warm-up.js";
import type { ContenderName } from "./contenders/contender.js";
import { acknowledges } from "./contenders/index.js";
import type { Bench, Part } from "./support/bench.js";
import type { BarChart, Chart } from "./support/chart.js";
import type { Claim } from "./support/claims.js";
import { progress } from "./support/progress.js";
import { inScope } from "./support/scope.js";
import { format, formatSpread } from "./support/statistics.js";
import { markdownTable } from "./support/table.js";

/** One at a time for latencies, many for throughput: with 64, what is changed and then pushed does not keep two cores busy. */
const LATENCY_WINDOW = 1;
const USUAL_WINDOW = 64;
const THROUGHPUT_WINDOW = 256;
const WINDOWS = [LATENCY_WINDOW, USUAL_WINDOW, THROUGHPUT_WINDOW];

const FRONTENDS = 10;
/** In each channel, as many at each frontend. */
const MEMBERS = 20;
/** Before each push, so many of its channel's members are replaced. */
const CHURN = 0.1;
const CHURNS = [0, CHURN];

interface Plan {
  channels: number;
  contenders: readonly ContenderName[];
  rounds: number;
  durationMs: number;
  warmUpMs: number;
}

const FULL: Plan = {
  channels: 10_000,
  contenders: ["globalchannel", "original", "redis-adapter", "raw"],
  rounds: 5,
  durationMs: 1500,
  warmUpMs: 10_000,
};

/** What the promise is about. */
const QUICK: Plan = {
  channels: 2000,
  contenders: ["globalchannel", "original"],
  rounds: 3,
  durationMs: 500,
  warmUpMs: 6000,
};

interface ChannelsCell extends Cell {
  channels: number;
  churn: number;
}

type ChannelsResult = ChannelsCell & CellResult;

const pushes: Part<ChannelsResult[]> = {
  slow: false,
  measure: (quick) => measure(quick ? QUICK : FULL),
  tables,
  claims,
  charts,
};

export const channels: Bench = {
  name: "channels",
  question: "What does a push cost where there are many channels, and members come and go between pushes? No clients",
  quick: "less than a minute: fewer channels, only what the promise is about",
  parts: { pushes },
  packages: ["socket.io", "@socket.io/redis-adapter"],
};

function measure(plan: Plan): Promise<ChannelsResult[]> {
  return inScope(async (scope) => {
    progress(`channels: starting ${FRONTENDS} frontends`);
    const { contenders, durationMs } = plan;
    const cluster = await BenchCluster.start(scope, { frontends: FRONTENDS, clients: "none", contenders });
    progress(`channels: filling ${plan.channels} channels`);
    await cluster.fill(channelsOf(plan));
    for (const contender of contenders) {
      progress(`channels: warming up ${contender}`);
      await cluster.warmUp(contender, { channels: channelsOf(plan), churn: CHURN }, warmUpLoads(plan.warmUpMs));
    }
    const measured = await measureInRounds(cells(plan), {
      rounds: plan.rounds,
      label: ({ contender, churn, window }) => `channels: ${groupOf(churn)}, ${contender}, ${window} outstanding`,
      measure: ({ contender, churn, window }) =>
        cluster.measure(contender, {
          channels: channelsOf(plan),
          churn,
          load: { window, durationMs, maxCalls: Infinity },
        }),
    });
    return measured.map(({ cell, samples }) => summarize(cell, samples));
  });
}

function channelsOf({ channels: count }: Plan): Channels {
  return { prefix: "room", count, members: MEMBERS };
}

/** In the order in which they are measured: contenders take turns. */
function cells({ channels: count, contenders }: Plan): ChannelsCell[] {
  return CHURNS.flatMap((churn) =>
    WINDOWS.flatMap((window) =>
      contenders.map((contender) => ({
        ...{ frontends: FRONTENDS, members: MEMBERS, channels: count, churn },
        ...{ contender, window },
      })),
    ),
  );
}

function groupOf(churn: number): string {
  return churn === 0 ? "no churn" : `${format(churn * 100)} % churn`;
}

/** Of one contender with this churn. */
function find(results: readonly ChannelsResult[], churn: number, contender: ContenderName, window: number) {
  const wanted = { frontends: FRONTENDS, members: MEMBERS, contender, window };
  return findCell(
    results.filter((result) => result.churn === churn),
    wanted,
  )!;
}

function tables(results: readonly ChannelsResult[]): string[] {
  return [
    markdownTable(
      `pushes in turn to ${format(results[0]!.channels)} channels of ${MEMBERS} members at ${FRONTENDS} frontends; the members that are replaced count for pushes/s and CPU time, not for p50 and p99`,
      [
        ...["churn", "contender", "answers"],
        ...WINDOWS.map((window) => `pushes/s, ${window} outstanding`),
        ...[`p50 ms, ${LATENCY_WINDOW} outstanding`, "p99 ms"],
        ...[`p50 ms, ${THROUGHPUT_WINDOW} outstanding`, "p99 ms"],
        `CPU µs/push: backend, ${THROUGHPUT_WINDOW} outstanding`,
        ...["all frontends", "Redis"],
      ],
      results
        .filter(({ window }) => window === THROUGHPUT_WINDOW)
        .map((busy) => {
          const { churn, contender, perPush } = busy;
          const all = WINDOWS.map((window) => find(results, churn, contender, window));
          const calm = all[0]!;
          return [
            ...[groupOf(churn), contender, acknowledges(contender) ? "yes" : "no"],
            ...all.map(({ pushesPerSecond }) => formatSpread(pushesPerSecond)),
            ...[calm, busy].flatMap(({ p50Ms, p99Ms }) => [formatSpread(p50Ms), formatSpread(p99Ms)]),
            ...[perPush.backendCpuMs, perPush.frontendsCpuMs, perPush.redisCpuMs].map((ms) => format(ms * 1000)),
          ];
        }),
    ),
  ];
}

function charts(results: readonly ChannelsResult[]): Chart[] {
  const bars = (window: number): BarChart["bars"] =>
    results
      .filter((result) => result.window === window)
      .map(({ churn, contender, pushesPerSecond }) => ({ group: groupOf(churn), contender, value: pushesPerSecond }));
  return [
    {
      kind: "bars",
      title: `Pushes/s to ${format(results[0]!.channels)} channels of ${MEMBERS} members, ${THROUGHPUT_WINDOW} outstanding`,
      unit: "pushes/s",
      bars: bars(THROUGHPUT_WINDOW),
    },
  ];
}

function claims(results: readonly ChannelsResult[]): Claim[] {
  const busy = (contender: ContenderName) => find(results, CHURN, contender, THROUGHPUT_WINDOW);
  return [
    {
      claim: `globalchannel: times the pushes/s of original, ${format(results[0]!.channels)} channels, ${groupOf(CHURN)}, ${THROUGHPUT_WINDOW} outstanding`,
      atLeast: 3,
      measured: timesTheRate(busy("globalchannel"), busy("original")),
    },
  ];
}
