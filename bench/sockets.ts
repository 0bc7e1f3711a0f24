import { oneChannel } from "./cluster/channels.js";
import { BenchCluster } from "./cluster/cluster.js";
import { measureInRounds } from "./cluster/rounds.js";
import { type Cell, type CellResult, findCell, summarize, timesTheRate } from "./cluster/sample.js";
import type { ContenderName } from "./contenders/contender.js";
import type { Bench, Part } from "./support/bench.js";
import type { Chart } from "./support/chart.js";
import type { Claim } from "./support/claims.js";
import { progress } from "./support/progress.js";
import { inScope } from "./support/scope.js";
import { format, formatSpread, type Measured, round } from "./support/statistics.js";
import { markdownTable } from "./support/table.js";

const FRONTENDS = 3;
/** In the order in which they take turns. `original` has the frontends and the clients of `globalchannel`. */
const CONTENDERS = [
  "globalchannel",
  "original",
  "globalchannel, socket.io",
  "redis-adapter",
  "raw",
  "globalchannel, sse",
  "raw, sse",
] as const satisfies ContenderName[];
/** One at a time for latencies, some for throughput. */
const LATENCY_WINDOW = 1;
const THROUGHPUT_WINDOW = 16;
/** With how many members the promises are made. */
const PROMISED_MEMBERS = 1000;
/** By how much two contenders that cost the same may seem to differ: one push at a time is measured no better. */
const NOISE = 0.1;

/** One at a time, so many times as long: pushes take tens of milliseconds. */
const CALM = 2;

interface Plan {
  members: readonly number[];
  rounds: number;
  durationMs: number;
  warmUpMs: number;
}

const FULL: Plan = { members: [100, PROMISED_MEMBERS, 5000], rounds: 5, durationMs: 1500, warmUpMs: 5000 };
const QUICK: Plan = { members: [PROMISED_MEMBERS], rounds: 3, durationMs: 600, warmUpMs: 2000 };

const pushes: Part<CellResult[]> = {
  slow: false,
  async measure(quick) {
    const plan = quick ? QUICK : FULL;
    const results: CellResult[] = [];
    for (const members of plan.members) results.push(...(await measureWith(members, plan)));
    return results;
  },
  tables,
  claims,
  charts,
};

export const sockets: Bench = {
  name: "sockets",
  question: "How soon has every client got a push? N real clients at 3 frontends, beside what else there is",
  quick: `less than a minute: only N = ${format(PROMISED_MEMBERS)}`,
  parts: { pushes },
  packages: ["socket.io", "@socket.io/redis-adapter"],
};

function measureWith(members: number, { rounds, durationMs, warmUpMs }: Plan): Promise<CellResult[]> {
  return inScope(async (scope) => {
    progress(`sockets: connecting ${members} clients`);
    const cluster = await BenchCluster.start(scope, {
      frontends: FRONTENDS,
      clients: "real",
      contenders: CONTENDERS,
    });
    await cluster.fill(oneChannel(members));
    await cluster.connectClients(oneChannel(members));
    for (const contender of CONTENDERS) {
      progress(`sockets: warming up ${contender}, N=${members}`);
      const load = { window: THROUGHPUT_WINDOW, durationMs: warmUpMs, maxCalls: Infinity };
      await cluster.warmUp(contender, { channels: oneChannel(members) }, [load]);
    }
    const measured = await measureInRounds(cellsWith(members), {
      rounds,
      label: ({ contender, window }) => `sockets: N=${members}, ${contender}, ${window} outstanding`,
      measure: ({ contender, window }) =>
        cluster.measure(contender, {
          channels: oneChannel(members),
          load: { window, durationMs: durationMs * (window === LATENCY_WINDOW ? CALM : 1), maxCalls: Infinity },
        }),
    });
    return measured.map(({ cell, samples }) => summarize(cell, samples));
  });
}

function cellsWith(members: number): Cell[] {
  return [LATENCY_WINDOW, THROUGHPUT_WINDOW].flatMap((window) =>
    CONTENDERS.map((contender) => ({ frontends: FRONTENDS, members, contender, window })),
  );
}

function tables(results: readonly CellResult[]): string[] {
  return [
    markdownTable(
      `${FRONTENDS} frontends with N real clients; from the call until all have the message; \`raw\` is the limit of pushes that reach Redis one by one, \`raw, sse\` that of clients of Server-Sent Events`,
      [
        ...["N", "outstanding", "contender", "pushes/s", "of raw", "deliveries/s", "p50 ms", "p99 ms"],
        ...["CPU µs/push: backend", "all frontends", "Redis"],
      ],
      results.map((cell) => [
        format(cell.members),
        String(cell.window),
        cell.contender,
        formatSpread(cell.pushesPerSecond),
        `${format(100 * shareOf(limitOf(cell), cell, results))} %`,
        formatSpread(deliveriesPerSecond(cell)),
        formatSpread(cell.p50Ms),
        formatSpread(cell.p99Ms),
        format(cell.perPush.backendCpuMs * 1000),
        format(cell.perPush.frontendsCpuMs * 1000),
        format(cell.perPush.redisCpuMs * 1000),
      ]),
    ),
  ];
}

function charts(results: readonly CellResult[]): Chart[] {
  return [
    {
      kind: "bars",
      title: `Deliveries/s to real clients, ${FRONTENDS} frontends, ${THROUGHPUT_WINDOW} pushes outstanding`,
      unit: "deliveries/s",
      bars: results
        .filter(({ window }) => window === THROUGHPUT_WINDOW)
        .map((cell) => ({
          group: `N = ${format(cell.members)}`,
          contender: cell.contender,
          value: deliveriesPerSecond(cell),
        })),
    },
  ];
}

function claims(results: readonly CellResult[]): Claim[] {
  const cellOf = (contender: ContenderName, window: number): CellResult =>
    findCell(results, { frontends: FRONTENDS, members: PROMISED_MEMBERS, contender, window })!;
  const at = `N = ${format(PROMISED_MEMBERS)}`;
  const times = (one: ContenderName, other: ContenderName, atLeast: number): Claim => ({
    claim: `${one}: times the pushes/s of ${other} to real clients, ${at}, ${THROUGHPUT_WINDOW} outstanding`,
    atLeast,
    measured: timesTheRate(cellOf(one, THROUGHPUT_WINDOW), cellOf(other, THROUGHPUT_WINDOW)),
  });
  const latency = (one: ContenderName, other: ContenderName, atMost: number): Claim => ({
    claim: `${one}: times the p50 of ${other} to real clients, ${at}, one push at a time${atMost > 1 ? `; ${NOISE} of it is noise` : ""}`,
    atMost,
    measured: cellOf(one, LATENCY_WINDOW).p50Ms.median / cellOf(other, LATENCY_WINDOW).p50Ms.median,
  });
  return [
    times("globalchannel", "raw", 0.8),
    times("globalchannel", "redis-adapter", 2),
    latency("globalchannel", "raw", 1 + NOISE),
    latency("globalchannel", "redis-adapter", 1),
    times("globalchannel, socket.io", "redis-adapter", 1),
    latency("globalchannel, socket.io", "redis-adapter", 1 + NOISE),
    times("globalchannel, sse", "raw, sse", 0.8),
    latency("globalchannel, sse", "raw, sse", 1 + NOISE),
  ];
}

/** What clients that speak the same could get at most. */
function limitOf({ contender }: CellResult): ContenderName {
  return contender.endsWith(", sse") ? "raw, sse" : "raw";
}

/** The pushes per second as a share of the other contender's. */
function shareOf(other: ContenderName, cell: CellResult, results: readonly CellResult[]): number {
  return cell.pushesPerSecond.median / findCell(results, { ...cell, contender: other })!.pushesPerSecond.median;
}

function deliveriesPerSecond({ members, pushesPerSecond: { median, min, max } }: CellResult): Measured {
  return { median: round(median * members), min: round(min * members), max: round(max * members) };
}
