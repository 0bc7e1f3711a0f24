import { measureInRounds } from "./cluster/rounds.js";
import { timesTheRate } from "./cluster/sample.js";
import { type ContenderName, CONTENDERS, MAX_BATCH } from "./snapper/contender.js";
import { applyRun, measure } from "./snapper/measure.js";
import { startParticipants } from "./snapper/participants.js";
import type { Bench, Part } from "./support/bench.js";
import { summarize, type Summary } from "./support/call-sample.js";
import type { Chart } from "./support/chart.js";
import type { Claim } from "./support/claims.js";
import { profiled } from "./support/profiling.js";
import { progress } from "./support/progress.js";
import { microseconds } from "./support/rate-table.js";
import { inScope } from "./support/scope.js";
import { format, formatSpread, type Measured, round } from "./support/statistics.js";
import { markdownTable } from "./support/table.js";

const CLIENTS = 200;
/** One at a time for latencies; for throughput so many that batches are full. */
const LATENCY_WINDOW = 1;
const THROUGHPUT_WINDOW = 256;

interface Cell {
  contender: ContenderName;
  /** How many messages are outstanding. */
  window: number;
}

interface CellResult extends Cell, Summary {
  /** Of each round. */
  rates: readonly number[];
}

interface Plan {
  rounds: number;
  durationMs: number;
  warmUpMs: number;
}

const FULL: Plan = { rounds: 7, durationMs: 5000, warmUpMs: 10_000 };
const QUICK: Plan = { rounds: 3, durationMs: 2000, warmUpMs: 4000 };

const messages: Part<CellResult[]> = {
  slow: false,
  measure: (quick) => measureMessages(quick ? QUICK : FULL),
  tables,
  claims,
  charts,
};

export const snapper: Bench = {
  name: "snapper",
  question: "How fast do messages of a producer reach the consumers of a Snapper room, beside a bare Engine.IO server?",
  quick: "less than a minute: fewer and shorter rounds",
  parts: { messages },
  packages: ["engine.io", "engine.io-client"],
};

function measureMessages({ rounds, durationMs, warmUpMs }: Plan): Promise<CellResult[]> {
  return inScope(async (scope) => {
    const windows = [LATENCY_WINDOW, THROUGHPUT_WINDOW];
    progress(`snapper: connecting ${CLIENTS} clients to each`);
    const participants = new Map<ContenderName, Awaited<ReturnType<typeof startParticipants>>>();
    for (const contender of CONTENDERS) participants.set(contender, await startParticipants(scope, contender, CLIENTS));
    for (const [contender, those] of participants) {
      progress(`snapper: warming up ${contender}`);
      for (const window of windows) await applyRun(those, { window, durationMs: warmUpMs / 2, maxCalls: Infinity });
    }
    const cells = windows.flatMap((window) => CONTENDERS.map((contender): Cell => ({ contender, window })));
    const measured = await measureInRounds(cells, {
      rounds,
      label: ({ contender, window }) => `snapper: ${contender}, ${window} outstanding`,
      measure: ({ contender, window }) => {
        const those = participants.get(contender)!;
        return profiled({ contender, cell: `${window}`, processes: those.profilees }, () =>
          measure(those, { window, durationMs, maxCalls: Infinity }),
        );
      },
    });
    return measured.map(({ cell, samples }) => ({
      ...cell,
      ...summarize(samples),
      rates: samples.map(({ perSecond }) => round(perSecond)),
    }));
  });
}

function tables(results: readonly CellResult[]): string[] {
  return [
    markdownTable(
      `1 producer, 1 broker, 1 Redis, ${CLIENTS} consumers in one room; from the call until all of them have the message; \`raw\` is the limit of a bare Engine.IO server that hands over messages of its own`,
      [
        ...["outstanding", "contender", "messages/s", "of raw", "deliveries/s", "p50 ms", "p99 ms"],
        ...["CPU µs/message: server of the clients", "producer", "Redis"],
      ],
      results.map((cell) => [
        String(cell.window),
        cell.contender,
        formatSpread(cell.perSecond),
        `${format(100 * timesRaw(cell, results).median)} %`,
        formatSpread(deliveriesPerSecond(cell)),
        formatSpread(cell.p50Ms),
        formatSpread(cell.p99Ms),
        microseconds(cell.frontendsCpuMsPerCall),
        cell.contender === "raw" ? "-" : microseconds(cell.cpuMsPerCall),
        microseconds(cell.storeCpuMsPerCall),
      ]),
    ),
  ];
}

function charts(results: readonly CellResult[]): Chart[] {
  return [
    {
      kind: "bars",
      title: `Messages/s to ${CLIENTS} consumers in one room, in batches of up to ${MAX_BATCH}`,
      unit: "messages/s",
      isLogarithmic: true,
      bars: results.map(({ contender, window, perSecond }) => ({
        group: `${window} outstanding`,
        contender,
        value: perSecond,
      })),
    },
  ];
}

function claims(results: readonly CellResult[]): Claim[] {
  const ours = results.find(({ contender, window }) => contender === "globalchannel" && window === THROUGHPUT_WINDOW)!;
  return [
    {
      claim: `globalchannel: times the messages/s of raw to ${CLIENTS} consumers, ${THROUGHPUT_WINDOW} outstanding`,
      atLeast: 0.5,
      measured: timesRaw(ours, results),
    },
  ];
}

function timesRaw(cell: CellResult, results: readonly CellResult[]): Measured {
  const raw = results.find(({ contender, window }) => contender === "raw" && window === cell.window)!;
  return timesTheRate(cell, raw);
}

function deliveriesPerSecond({ perSecond: { median, min, max } }: CellResult): Measured {
  return { median: round(median * CLIENTS), min: round(min * CLIENTS), max: round(max * CLIENTS) };
}
