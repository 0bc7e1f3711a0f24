import type { Part } from "../support/bench.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format, formatSpread } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { BenchCluster } from "./cluster.js";
import { type Cell, type CellResult, type Sample, summarize } from "./sample.js";

/** From the call until every client has got it. */
export const sockets: Part<CellResult[]> = { slow: true, measure, tables };

const FRONTENDS = 3;
const WINDOWS = [1, 16];
const CONTENDERS = ["globalchannel", "original"] as const;

const FULL = { members: [100, 1000, 3000], rounds: 5, durationMs: 1500, warmUpMs: 5000 };
const QUICK = { members: [100], rounds: 2, durationMs: 400, warmUpMs: 1000 };

async function measure(quick: boolean): Promise<CellResult[]> {
  const plan = quick ? QUICK : FULL;
  const results: CellResult[] = [];
  for (const members of plan.members) results.push(...(await measureWith(members, plan)));
  return results;
}

function measureWith(members: number, { rounds, durationMs, warmUpMs }: typeof FULL): Promise<CellResult[]> {
  return inScope(async (scope) => {
    progress(`sockets: connecting ${members} clients`);
    const cluster = await BenchCluster.start(scope, {
      frontends: FRONTENDS,
      clients: "websocket",
      contenders: CONTENDERS,
    });
    await cluster.connectClients(members);
    await cluster.fill("room", members);
    for (const contender of CONTENDERS) {
      progress(`sockets: warming up ${contender}, N=${members}`);
      const load = { window: Math.max(...WINDOWS), durationMs: warmUpMs, maxCalls: Infinity };
      await cluster.warmUp(contender, { channel: "room", members, load });
    }
    const samples = WINDOWS.flatMap((window) =>
      CONTENDERS.map((contender) => ({
        cell: { frontends: FRONTENDS, members, contender, window } satisfies Cell,
        samples: [] as Sample[],
      })),
    );
    for (let round = 1; round <= rounds; round++) {
      for (const { cell, samples: ofCell } of samples) {
        const { contender, window } = cell;
        progress(`sockets: round ${round}/${rounds}, N=${members}, ${contender}, window ${window}`);
        const load = { window, durationMs, maxCalls: Infinity };
        ofCell.push(await cluster.measure(contender, { channel: "room", members, load }));
      }
    }
    return samples.map(({ cell, samples: ofCell }) => summarize(cell, ofCell));
  });
}

function tables(results: readonly CellResult[]): string[] {
  return [
    markdownTable(
      `sockets: real WebSocket clients at ${FRONTENDS} frontends; from \`pushMessage\` until every client has the message`,
      [
        "N",
        "outstanding",
        "contender",
        "pushes/s",
        "deliveries/s",
        "p50 ms",
        "p99 ms",
        "CPU µs/push: backend",
        "frontends",
        "Redis",
      ],
      results.map(({ members, window, contender, pushesPerSecond, p50Ms, p99Ms, perPush }) => [
        format(members),
        String(window),
        contender,
        formatSpread(pushesPerSecond),
        format(pushesPerSecond.median * members),
        formatSpread(p50Ms),
        formatSpread(p99Ms),
        format(perPush.backendCpuMs * 1000),
        format(perPush.frontendsCpuMs * 1000),
        format(perPush.redisCpuMs * 1000),
      ]),
    ),
  ];
}
