import type { Part } from "../support/bench.js";
import { progress } from "../support/progress.js";
import type { Claim } from "../support/claims.js";
import { inScope } from "../support/scope.js";
import { format, formatSpread } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { BenchCluster } from "./cluster.js";
import type { ContenderName } from "./contender.js";
import { type Cell, type CellResult, type Sample, summarize } from "./sample.js";

/** From the call to the answer of the last frontend, which has resolved its members: no clients. */
export const resolve: Part<CellResult[]> = { slow: false, measure, tables, claims };

/** One at a time for latencies, many for throughput. */
const LATENCY_WINDOW = 1;
const THROUGHPUT_WINDOW = 64;
/** The original needs about a second for 20 pushes to 100,000 members. */
const MAX_SLOW_PUSHES = 64;

const COSTS = [
  "commandsFromClients",
  "callsInsideScripts",
  "redisBytesOut",
  "redisBytesIn",
  "backendBytesRead",
] as const;

const WARM_UP_MEMBERS = 1000;
/** The original handles a request for each frontend of each push. */
const WARM_UP_PUSHES = { globalchannel: 150_000, original: 15_000, raw: 150_000 };

interface Plan {
  frontends: readonly number[];
  members: readonly number[];
  contenders: readonly ContenderName[];
  /** Whether a cell is left out. */
  skip: (cell: Cell) => boolean;
  rounds: number;
  durationMs: number;
  warmUpMs: number;
}

const FULL: Plan = {
  frontends: [3, 10],
  members: [100, 1000, 10_000, 100_000],
  contenders: ["globalchannel", "original", "raw"],
  skip: () => false,
  rounds: 5,
  durationMs: 1500,
  warmUpMs: 15_000,
};

/** What the promises are about. */
const QUICK: Plan = {
  frontends: [10],
  members: [100, 1000, 100_000],
  contenders: ["globalchannel", "original"],
  skip: ({ contender, members }) => contender === "original" && members !== 1000,
  rounds: 3,
  durationMs: 600,
  warmUpMs: 8000,
};

async function measure(quick: boolean): Promise<CellResult[]> {
  const plan = quick ? QUICK : FULL;
  const results: CellResult[] = [];
  for (const frontends of plan.frontends) results.push(...(await measureAt(frontends, plan)));
  return results;
}

function measureAt(frontends: number, plan: Plan): Promise<CellResult[]> {
  return inScope(async (scope) => {
    progress(`resolve: starting ${frontends} frontends`);
    const { contenders } = plan;
    const cluster = await BenchCluster.start(scope, { frontends, clients: "none", contenders });
    for (const members of plan.members) await cluster.fill(`room-${members}`, members);
    for (const contender of contenders) {
      progress(`resolve: warming up ${contender} with ${frontends} frontends`);
      const load = { window: THROUGHPUT_WINDOW, durationMs: plan.warmUpMs, maxCalls: WARM_UP_PUSHES[contender] };
      await cluster.warmUp(contender, { channel: `room-${WARM_UP_MEMBERS}`, members: WARM_UP_MEMBERS, load });
    }
    const samples = cellsAt(frontends, plan).map((cell) => ({ cell, samples: [] as Sample[] }));
    for (let round = 1; round <= plan.rounds; round++) {
      for (const { cell, samples: ofCell } of samples) {
        const { members, contender, window } = cell;
        progress(
          `resolve: round ${round}/${plan.rounds}, S=${frontends}, N=${members}, ${contender}, window ${window}`,
        );
        const maxCalls =
          contender === "original" && members >= 10_000 ? MAX_SLOW_PUSHES * (100_000 / members) : Infinity;
        const load = { window, durationMs: plan.durationMs, maxCalls };
        ofCell.push(await cluster.measure(contender, { channel: `room-${members}`, members, load }));
      }
    }
    return samples.map(({ cell, samples: ofCell }) => summarize(cell, ofCell));
  });
}

/** In the order in which they are measured: contenders take turns. */
function cellsAt(frontends: number, { members, contenders, skip }: Plan): Cell[] {
  const cells: Cell[] = [];
  for (const count of members) {
    for (const window of [LATENCY_WINDOW, THROUGHPUT_WINDOW]) {
      for (const contender of contenders) {
        // No members: the same for all counts.
        if (contender === "raw" && count !== members[0]) continue;
        cells.push({ frontends, members: contender === "raw" ? 0 : count, contender, window });
      }
    }
  }
  return cells.filter((cell) => !skip(cell));
}

function tables(results: readonly CellResult[]): string[] {
  const pairs = results
    .filter(({ window }) => window === THROUGHPUT_WINDOW)
    .map((busy) => ({ busy, calm: find(results, { ...busy, window: LATENCY_WINDOW })! }))
    .toSorted(({ busy: a }, { busy: b }) => a.frontends - b.frontends || a.members - b.members);
  const row = ({ frontends, members, contender }: Cell): string[] => [
    String(frontends),
    contender === "raw" ? "-" : format(members),
    contender,
  ];
  return [
    markdownTable(
      "resolve: no clients; from `pushMessage` to the answer of the last frontend, which has resolved its members",
      [
        ...["S", "N", "contender", `pushes/s, ${THROUGHPUT_WINDOW} outstanding`],
        ...[`p50 ms, ${LATENCY_WINDOW} outstanding`, "p99 ms"],
        `CPU µs/push: backend, ${THROUGHPUT_WINDOW} outstanding`,
        ...["all frontends", "Redis"],
      ],
      pairs.map(({ busy, calm }) => [
        ...row(busy),
        formatSpread(busy.pushesPerSecond),
        formatSpread(calm.p50Ms),
        formatSpread(calm.p99Ms),
        format(busy.perPush.backendCpuMs * 1000),
        format(busy.perPush.frontendsCpuMs * 1000),
        format(busy.perPush.redisCpuMs * 1000),
      ]),
    ),
    markdownTable(
      `resolve: what one push costs Redis and the network, ${LATENCY_WINDOW} / ${THROUGHPUT_WINDOW} outstanding`,
      [
        ...["S", "N", "contender", "commands from clients", "calls inside scripts"],
        ...["bytes from Redis to all", "bytes to Redis", "bytes read by the backend"],
      ],
      pairs.map(({ busy, calm }) => [
        ...row(busy),
        ...COSTS.map((cost) => `${format(calm.perPush[cost])} / ${format(busy.perPush[cost])}`),
      ]),
    ),
  ];
}

function claims(results: readonly CellResult[]): Claim[] {
  const frontends = 10;
  const window = THROUGHPUT_WINDOW;
  const speed = (contender: ContenderName, members: number): number =>
    find(results, { frontends, members, contender, window })!.pushesPerSecond.median;
  const ours = results
    .filter(
      (result) => result.contender === "globalchannel" && result.frontends === frontends && result.window === window,
    )
    .map(({ pushesPerSecond }) => pushesPerSecond.median);
  return [
    {
      claim: "times the original's pushes/s, at 1,000 members over 10 frontends",
      atLeast: 10,
      measured: speed("globalchannel", 1000) / speed("original", 1000),
    },
    {
      claim: "pushes/s at the best of N = 100 to 100,000 through those at the worst, 10 frontends",
      atMost: 2,
      measured: Math.max(...ours) / Math.min(...ours),
    },
  ];
}

function find(results: readonly CellResult[], wanted: Cell): CellResult | undefined {
  return results.find(
    ({ frontends, members, contender, window }) =>
      frontends === wanted.frontends &&
      members === wanted.members &&
      contender === wanted.contender &&
      window === wanted.window,
  );
}
