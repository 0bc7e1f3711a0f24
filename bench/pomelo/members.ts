import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import type { Chart } from "../support/chart.js";
import { progress } from "../support/progress.js";
import { inScope, type Scope } from "../support/scope.js";
import { format, formatSpread } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { BenchApplication } from "./application.js";
import { type CallSample, summarize, type Summary } from "./sample.js";

/** What it costs to make a user a member. */
export const members: Part<MembersResult[]> = { slow: false, measure, tables, claims, charts };

const CONNECTORS = 3;
const MEMBERS_PER_CHANNEL = 100;
const OUTSTANDING = [1, 256];
/** Ours does the same with both transports. */
const CONTENDERS = ["original", "rpc"] as const;

interface MembersCell {
  outstanding: number;
  contender: (typeof CONTENDERS)[number];
}

type MembersResult = MembersCell & { runs: number } & Summary<CallSample>;

/** `adds`: how many are enough to measure, for each number of outstanding ones. */
const FULL = { rounds: 7, adds: { 1: 3000, 256: 30_000 }, warmUpAdds: 60_000, idleSeconds: 3 };
const QUICK = { rounds: 3, adds: { 1: 1000, 256: 10_000 }, warmUpAdds: 20_000, idleSeconds: 2 };

function measure(quick: boolean): Promise<MembersResult[]> {
  return inScope((scope) => measureAll(scope, quick ? QUICK : FULL));
}

async function measureAll(scope: Scope, plan: typeof FULL): Promise<MembersResult[]> {
  const applications = new Map<string, BenchApplication>();
  for (const contender of CONTENDERS) {
    progress(`members: starting ${contender}`);
    const application = await BenchApplication.start(scope, { contender, connectors: CONNECTORS });
    applications.set(contender, application);
    await add(application, "warm-up", Math.max(...OUTSTANDING), plan.warmUpAdds);
  }
  await Promise.all([...applications.values()].map((application) => application.measureIdle(plan.idleSeconds)));
  const results = OUTSTANDING.flatMap((outstanding) =>
    CONTENDERS.map((contender) => ({
      cell: { outstanding, contender } satisfies MembersCell,
      samples: [] as CallSample[],
    })),
  );
  for (let round = 1; round <= plan.rounds; round++) {
    for (const { cell, samples } of results) {
      const { outstanding, contender } = cell;
      progress(`members: round ${round}/${plan.rounds}, ${contender}, ${outstanding} outstanding`);
      const adds = plan.adds[outstanding as keyof typeof plan.adds];
      samples.push(await add(applications.get(contender)!, `round-${round}-${outstanding}`, outstanding, adds));
    }
  }
  for (const application of applications.values()) await application.check();
  return results.map(({ cell, samples }) => ({ ...cell, runs: samples.length, ...summarize(samples) }));
}

/** @param room a new one each time, so that every add is a member more */
function add(application: BenchApplication, room: string, outstanding: number, adds: number): Promise<CallSample> {
  return application.add({ room, membersPerChannel: MEMBERS_PER_CHANNEL, adds, outstanding });
}

function tables(results: readonly MembersResult[]): string[] {
  return [
    markdownTable(
      `members: \`add\`, ${MEMBERS_PER_CHANNEL} members in each channel`,
      [
        ...["outstanding", "contender", "adds/s", "ms to the callback: p50", "p99"],
        ...["CPU µs/add: backend", "connectors", "Redis"],
        ...["commands from clients", "commands that Redis counts", "bytes to Redis", "bytes from Redis"],
      ],
      results.map((result) => [
        String(result.outstanding),
        shownName(result),
        formatSpread(result.perSecond),
        formatSpread(result.callbackP50Ms),
        format(result.callbackP99Ms.median),
        format(result.backendCpuMs.median * 1000),
        format(result.connectorsCpuMs.median * 1000),
        format(result.redisCpuMs.median * 1000),
        format(result.commandsFromClients.median),
        format(result.redisCalls.median),
        format(result.bytesToRedis.median),
        format(result.bytesFromRedis.median),
      ]),
    ),
  ];
}

function charts(results: readonly MembersResult[]): Chart[] {
  return [
    {
      kind: "bars",
      title: `members: add, ${MEMBERS_PER_CHANNEL} members in each channel`,
      unit: "adds/s",
      bars: results.map((result) => ({
        group: `${result.outstanding} outstanding`,
        contender: shownName(result),
        value: result.perSecond,
      })),
    },
  ];
}

function shownName({ contender }: MembersCell): string {
  return contender === "rpc" ? "rpc, redis" : contender;
}

function claims(results: readonly MembersResult[]): Claim[] {
  const speed = (contender: MembersCell["contender"], outstanding: number): number =>
    results.find((result) => result.contender === contender && result.outstanding === outstanding)!.perSecond.median;
  return OUTSTANDING.map((outstanding) => ({
    claim: `members: times the original's adds/s, ${outstanding} outstanding`,
    atLeast: 1,
    measured: speed("rpc", outstanding) / speed("original", outstanding),
  }));
}
