import { BenchCluster } from "./cluster/cluster.js";
import { oneChannel } from "./cluster/channels.js";
import { measureInRounds } from "./cluster/rounds.js";
import {
  type Cell,
  type CellResult,
  type Costs,
  findCell,
  summarize,
  timesTheRate,
  typicalOf,
} from "./cluster/sample.js";
import { warmUpLoads } from "./cluster/warm-up.js";
import { CONTENDERS, type ContenderName } from "./contenders/contender.js";
import { acknowledges } from "./contenders/index.js";
import { type SplitCalls, splitCalls } from "./fanout/split-calls.js";
import type { Bench, Part } from "./support/bench.js";
import type { Claim } from "./support/claims.js";
import type { Chart } from "./support/chart.js";
import type { Load } from "./support/load.js";
import { progress } from "./support/progress.js";
import { inScope } from "./support/scope.js";
import { format, formatSpread } from "./support/statistics.js";
import { markdownTable } from "./support/table.js";

/** One at a time for latencies, many for throughput. */
const LATENCY_WINDOW = 1;
const THROUGHPUT_WINDOW = 64;

/** With how many members those are measured whose pushes know none. */
const USUAL_MEMBERS = 1000;
/** With how many frontends the promises are made. */
const PROMISED_FRONTENDS = 10;
const MANY_MEMBERS = 100_000;
/** To so many members, of the original: more of them at once block Redis for 0.8 s, an outage for all others who use it. */
const MAX_SLOW_OUTSTANDING = 16;

const COSTS = [
  "commandsFromClients",
  "callsInsideScripts",
  "redisBytesOut",
  "redisBytesIn",
  "backendBytesRead",
] as const;

/** Whose pushes cost more with more members, or should be seen not to. */
const BY_MEMBERS: readonly ContenderName[] = ["globalchannel", "original"];

/** Without clients it makes no difference whose they would be. */
const ALL: readonly ContenderName[] = CONTENDERS.filter(
  (name) => name !== "globalchannel, socket.io" && !name.endsWith(", sse"),
);

interface Plan {
  contenders: readonly ContenderName[];
  frontends: readonly number[];
  members: readonly number[];
  /** Whether a cell is left out. */
  skip: (cell: Cell) => boolean;
  rounds: number;
  durationMs: number;
  /** Of the original to many members: it needs about a second for 20 pushes to 100,000. */
  maxSlowPushes: number;
  warmUpMs: number;
}

const FULL: Plan = {
  contenders: ALL,
  frontends: [3, PROMISED_FRONTENDS],
  members: [100, USUAL_MEMBERS, 10_000, MANY_MEMBERS],
  skip: () => false,
  rounds: 5,
  durationMs: 1500,
  maxSlowPushes: 64,
  warmUpMs: 6000,
};

/** What the promises are about. */
const QUICK: Plan = {
  contenders: ALL.filter((name) => name !== "redis-adapter, sharded" && name !== "redis-streams-adapter"),
  frontends: [PROMISED_FRONTENDS],
  members: [100, USUAL_MEMBERS, MANY_MEMBERS],
  skip: ({ contender, members, window }) =>
    window === LATENCY_WINDOW ? contender !== "globalchannel" || members === USUAL_MEMBERS : members < USUAL_MEMBERS,
  rounds: 2,
  durationMs: 600,
  maxSlowPushes: 16,
  warmUpMs: 3000,
};

interface FanoutResult extends CellResult {
  /** Those that are split are those of `redisCalls`. */
  perPush: Costs & SplitCalls;
}

const pushes: Part<FanoutResult[]> = {
  slow: false,
  async measure(quick) {
    const plan = quick ? QUICK : FULL;
    const results: FanoutResult[] = [];
    for (const frontends of plan.frontends) results.push(...(await measureAt(frontends, plan)));
    return results;
  },
  tables,
  claims,
  charts,
};

export const fanout: Bench = {
  name: "fanout",
  question: "What does a push to N members over S frontends cost, beside what else there is? No clients",
  quick: "less than a minute: only what the promises are about",
  parts: { pushes },
  packages: ["socket.io", "@socket.io/redis-adapter", "@socket.io/redis-streams-adapter", "bullmq"],
};

function measureAt(frontends: number, plan: Plan): Promise<FanoutResult[]> {
  return inScope(async (scope) => {
    progress(`fanout: starting ${frontends} frontends`);
    const { contenders } = plan;
    const cluster = await BenchCluster.start(scope, { frontends, clients: "none", contenders });
    for (const members of plan.members) {
      await cluster.fill(oneChannel(members), members === USUAL_MEMBERS ? contenders : BY_MEMBERS);
    }
    for (const contender of contenders) {
      progress(`fanout: warming up ${contender} with ${frontends} frontends`);
      await cluster.warmUp(contender, { channels: oneChannel(USUAL_MEMBERS) }, warmUpLoads(plan.warmUpMs));
    }
    const measured = await measureInRounds(cellsAt(frontends, plan), {
      rounds: plan.rounds,
      label: ({ members, contender, window }) =>
        `fanout: S=${frontends}, N=${members}, ${contender}, ${window} outstanding`,
      measure: (cell) =>
        cluster.measure(cell.contender, { channels: oneChannel(cell.members), load: loadOf(cell, plan) }),
    });
    return measured.map(({ cell, samples }) => {
      const result = summarize(cell, samples);
      const calls = splitCalls(cell, typicalOf(samples).perPush.redisCalls);
      return { ...result, perPush: { ...calls, ...result.perPush } };
    });
  });
}

function loadOf({ contender, members, window }: Cell, { durationMs, maxSlowPushes }: Plan): Load {
  if (contender !== "original" || members < 10_000) return { window, durationMs, maxCalls: Infinity };
  const share = MANY_MEMBERS / members;
  return { window: Math.min(window, MAX_SLOW_OUTSTANDING * share), durationMs, maxCalls: maxSlowPushes * share };
}

/** In the order in which they are measured: contenders take turns. */
function cellsAt(frontends: number, { contenders, members, skip }: Plan): Cell[] {
  const cells: Cell[] = [];
  for (const count of members) {
    for (const window of [LATENCY_WINDOW, THROUGHPUT_WINDOW]) {
      for (const contender of contenders) {
        if (count !== USUAL_MEMBERS && !BY_MEMBERS.includes(contender)) continue;
        cells.push({ frontends, members: count, contender, window });
      }
    }
  }
  return cells.filter((cell) => !skip(cell));
}

function tables(results: readonly FanoutResult[]): string[] {
  const pairs = results
    .filter(({ window }) => window === THROUGHPUT_WINDOW)
    .map((busy) => ({ busy, calm: findCell(results, { ...busy, window: LATENCY_WINDOW }) }))
    .toSorted(({ busy: a }, { busy: b }) => a.frontends - b.frontends || a.members - b.members);
  const row = ({ frontends, members, contender }: Cell): string[] => [String(frontends), format(members), contender];
  return [
    markdownTable(
      "from the call until the last frontend has handed it to its connector (there), and until all have answered",
      [
        ...["S", "N", "contender", "answers", `pushes/s, ${THROUGHPUT_WINDOW} outstanding`],
        ...[`p50 ms, ${LATENCY_WINDOW} outstanding: there`, "answered", "p99 ms: there"],
        `CPU µs/push: backend, ${THROUGHPUT_WINDOW} outstanding`,
        ...["all frontends", "Redis"],
      ],
      pairs.map(({ busy, calm }) => [
        ...row(busy),
        acknowledges(busy.contender) ? "yes" : "no",
        formatSpread(busy.pushesPerSecond),
        calm ? formatSpread(calm.p50Ms) : "-",
        calm && acknowledges(calm.contender) ? formatSpread(calm.doneP50Ms) : "-",
        calm ? formatSpread(calm.p99Ms) : "-",
        format(busy.perPush.backendCpuMs * 1000),
        format(busy.perPush.frontendsCpuMs * 1000),
        format(busy.perPush.redisCpuMs * 1000),
      ]),
    ),
    markdownTable(
      `what one push costs Redis and the network, ${LATENCY_WINDOW} / ${THROUGHPUT_WINDOW} outstanding`,
      [
        ...["S", "N", "contender", "commands from clients", "calls inside scripts"],
        ...["bytes from Redis to all", "bytes to Redis", "bytes read by the backend"],
      ],
      pairs.map(({ busy, calm }) => [
        ...row(busy),
        ...COSTS.map((cost) => `${calm ? format(calm.perPush[cost]) : "-"} / ${format(busy.perPush[cost])}`),
      ]),
    ),
  ];
}

function charts(results: readonly CellResult[]): Chart[] {
  const busy = results.filter(({ window }) => window === THROUGHPUT_WINDOW);
  const at = (members: number) => busy.filter((cell) => cell.members === members);
  return [
    {
      kind: "bars",
      title: `Pushes/s to ${format(USUAL_MEMBERS)} members, ${THROUGHPUT_WINDOW} outstanding`,
      unit: "pushes/s",
      bars: at(USUAL_MEMBERS).map(({ frontends, contender, pushesPerSecond }) => ({
        group: `${frontends} frontends`,
        contender,
        value: pushesPerSecond,
      })),
    },
    {
      kind: "lines",
      title: `Pushes/s by the number of members, ${PROMISED_FRONTENDS} frontends, ${THROUGHPUT_WINDOW} outstanding`,
      unit: "pushes/s",
      isLogarithmic: true,
      x: { title: "members", isLogarithmic: true },
      points: busy
        .filter(({ frontends, contender }) => frontends === PROMISED_FRONTENDS && BY_MEMBERS.includes(contender))
        .map(({ contender, members, pushesPerSecond }) => ({ contender, x: members, value: pushesPerSecond })),
    },
  ];
}

function claims(results: readonly CellResult[]): Claim[] {
  const frontends = PROMISED_FRONTENDS;
  const busy = (contender: ContenderName, members = USUAL_MEMBERS): CellResult =>
    findCell(results, { frontends, members, contender, window: THROUGHPUT_WINDOW })!;
  const bytesRead = (members: number): number =>
    findCell(results, { frontends, members, contender: "globalchannel", window: LATENCY_WINDOW })!.perPush
      .backendBytesRead;
  const times = (one: ContenderName, other: ContenderName, atLeast: number, members?: number): Claim => ({
    claim: `${one}: times the pushes/s of ${other}, N = ${format(members ?? USUAL_MEMBERS)}, S = ${frontends}`,
    atLeast,
    measured: timesTheRate(busy(one, members), busy(other, members)),
  });
  return [
    times("globalchannel", "original", 15),
    times("globalchannel", "original", 500, MANY_MEMBERS),
    times("globalchannel", "redis-adapter", 1),
    times("globalchannel", "Relay", 3),
    times("globalchannel, ack: false", "Relay", 3),
    times("globalchannel, ack: false", "raw", 0.8),
    {
      claim: `globalchannel: times the pushes/s at N = ${format(USUAL_MEMBERS)}, at N = ${format(MANY_MEMBERS)}`,
      atLeast: 0.5,
      measured: timesTheRate(busy("globalchannel", MANY_MEMBERS), busy("globalchannel")),
    },
    {
      claim: `globalchannel: times the bytes that the backend reads for a push at N = 100, at N = ${format(MANY_MEMBERS)}`,
      atMost: 1.1,
      measured: bytesRead(MANY_MEMBERS) / bytesRead(100),
    },
  ];
}
