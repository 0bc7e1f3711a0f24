import { BenchCluster } from "../cluster/cluster.js";
import { measureInRounds } from "../cluster/rounds.js";
import { warmUpLoads } from "../cluster/warm-up.js";
import type { Part } from "../support/bench.js";
import type { Chart } from "../support/chart.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import type { Cell } from "../support/rounds.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { chartsOf } from "./charts.js";
import { growthClaims } from "./claims.js";
import { CHANNELS, FRONTENDS } from "./places.js";
import { ALL, FEW, primariesOf, type RedisName } from "./redises.js";
import { type OperationResult, type OperationSample, resultsOf } from "./result.js";
import { tablesOf } from "./tables.js";

/** To one channel after the other, until all frontends have answered. */
export const pushes: Part<OperationResult[]> = { slow: false, measure, tables, claims, charts };

const OPERATION = "push";
const CONTENDER = "globalchannel";
/** One at a time for latencies, many for what they cost when there are many. */
const LATENCY_WINDOW = 1;
const THROUGHPUT_WINDOW = 256;

const FULL = { redises: ALL, rounds: 5, durationMs: 1500, warmUpMs: 10_000 };
const QUICK = { redises: FEW, rounds: 2, durationMs: 800, warmUpMs: 4000 };

function measure(quick: boolean): Promise<OperationResult[]> {
  return inScope(async (scope) => {
    const { redises, rounds, durationMs, warmUpMs } = quick ? QUICK : FULL;
    const clusters = new Map<RedisName, BenchCluster>();
    for (const name of redises) {
      progress(`pushes: starting and warming up ${name}`);
      const options = { frontends: FRONTENDS, clients: "none", contenders: [CONTENDER] } as const;
      const cluster = await BenchCluster.start(scope, { ...options, primaries: primariesOf(name) });
      await cluster.fill(CHANNELS);
      await cluster.warmUp(CONTENDER, { channels: CHANNELS }, warmUpLoads(warmUpMs));
      clusters.set(name, cluster);
    }
    const measured = await measureInRounds(cellsOf(redises), {
      rounds,
      label: ({ outstanding, contender }) => `pushes: ${contender}, ${outstanding} outstanding`,
      async measure({ outstanding, contender }): Promise<OperationSample> {
        const load = { window: outstanding, durationMs, maxCalls: Infinity };
        const { perPush, ...sample } = await clusters.get(contender)!.measure(CONTENDER, { channels: CHANNELS, load });
        return { ...sample, perCall: perPush };
      },
    });
    return resultsOf(measured);
  });
}

/** In the order in which they are measured: the Redises take turns. */
function cellsOf(redises: readonly RedisName[]): Cell<string, RedisName>[] {
  return [LATENCY_WINDOW, THROUGHPUT_WINDOW].flatMap((outstanding) =>
    redises.map((contender) => ({ operation: OPERATION, outstanding, contender })),
  );
}

function tables(results: readonly OperationResult[]): string[] {
  return tablesOf(
    `pushes in turn to ${format(CHANNELS.count)} channels of ${CHANNELS.members} members at ${FRONTENDS} frontends; p50 and p99: from the call until it is at the connector of the last of them`,
    results,
  );
}

function charts(results: readonly OperationResult[]): Chart[] {
  return chartsOf("pushes", results);
}

function claims(results: readonly OperationResult[]): Claim[] {
  return growthClaims(results, [OPERATION], THROUGHPUT_WINDOW);
}
