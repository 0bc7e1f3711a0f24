import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import type { Chart } from "../support/chart.js";
import { progress } from "../support/progress.js";
import { microseconds } from "../support/rate-table.js";
import { inScope, type Scope } from "../support/scope.js";
import { format, formatSpread, measured, type Measured } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { noteOnMysql } from "./mysql-store.js";
import { PushCluster, type PusherName, PUSHERS, type PushSample } from "./push-cluster.js";
import { SIDS } from "./sids.js";

/** From `pushMessage` to the answer of the last frontend, which has resolved its members: no clients. */
export const push: Part<PushResult[]> = { slow: false, measure, tables, claims, charts };

const MEMBERS = 1000;

/** `joins`: each push follows an add to the same channel, which the frontend's copy of its members does not know yet. */
const LOADS = [
  { outstanding: 1, joins: false },
  { outstanding: 64, joins: false },
  { outstanding: 1, joins: true },
] as const;

interface PushCell {
  outstanding: number;
  joins: boolean;
  contender: PusherName;
}

interface PushResult extends PushCell {
  runs: number;
  perSecond: Measured;
  p50Ms: Measured;
  p99Ms: Measured;
  backendCpuMs: Measured;
  frontendsCpuMs?: Measured;
  storesCpuMs?: Measured;
}

const FULL = { rounds: 5, durationMs: 1500, warmUpMs: 12_000 };
const QUICK = { rounds: 2, durationMs: 250, warmUpMs: 1000 };

function measure(quick: boolean): Promise<PushResult[]> {
  return inScope((scope) => measureAll(scope, quick ? QUICK : FULL));
}

async function measureAll(scope: Scope, { rounds, durationMs, warmUpMs }: typeof FULL): Promise<PushResult[]> {
  const clusters = new Map<PusherName, PushCluster>();
  for (const contender of PUSHERS) {
    progress(`push: starting and warming up ${contender}`);
    const cluster = await PushCluster.start(scope, contender);
    if (!cluster) continue;
    clusters.set(contender, cluster);
    await cluster.fill(MEMBERS);
    for (const { outstanding, joins } of LOADS) {
      const load = { window: outstanding, durationMs: warmUpMs / LOADS.length, maxCalls: Infinity };
      await cluster.push(load, joins);
    }
  }
  const results = LOADS.flatMap(({ outstanding, joins }) =>
    [...clusters.keys()].map((contender) => ({
      cell: { outstanding, joins, contender } satisfies PushCell,
      samples: [] as PushSample[],
    })),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const { cell, samples } of results) {
      const { outstanding, joins, contender } = cell;
      progress(`push: round ${round}/${rounds}, ${contender}, ${outstanding} outstanding${joins ? ", joins" : ""}`);
      const load = { window: outstanding, durationMs, maxCalls: Infinity };
      samples.push(await clusters.get(contender)!.push(load, joins));
    }
  }
  return results.map(({ cell, samples }) => ({ ...cell, ...summarize(samples) }));
}

function summarize(samples: readonly PushSample[]): Omit<PushResult, keyof PushCell> {
  const of = (value: (sample: PushSample) => number): Measured => measured(samples.map(value));
  const isKnown = (value: (sample: PushSample) => number | undefined): boolean =>
    samples.every((sample) => value(sample) !== undefined);
  return {
    runs: samples.length,
    perSecond: of(({ perSecond }) => perSecond),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    backendCpuMs: of(({ backendCpuMs }) => backendCpuMs),
    ...(isKnown((sample) => sample.frontendsCpuMs) && { frontendsCpuMs: of((sample) => sample.frontendsCpuMs!) }),
    ...(isKnown((sample) => sample.storesCpuMs) && { storesCpuMs: of((sample) => sample.storesCpuMs!) }),
  };
}

function tables(results: readonly PushResult[]): string[] {
  return [
    ...noteOnMysql(results),
    markdownTable(
      `push: to a channel of ${format(MEMBERS)} members at ${SIDS.length} frontends, until the last of them has answered; no clients`,
      [
        ...["pushes", "outstanding", "contender", "pushes/s", "p50 ms", "p99 ms"],
        ...["CPU µs/push: backend", "frontends", "Redis and MySQL"],
      ],
      results.map((result) => [
        loadName(result),
        String(result.outstanding),
        result.contender,
        formatSpread(result.perSecond),
        formatSpread(result.p50Ms),
        formatSpread(result.p99Ms),
        microseconds(result.backendCpuMs),
        microseconds(result.frontendsCpuMs),
        microseconds(result.storesCpuMs),
      ]),
    ),
  ];
}

function charts(results: readonly PushResult[]): Chart[] {
  return [
    {
      kind: "bars",
      title: `push: to a channel of ${format(MEMBERS)} members at ${SIDS.length} frontends`,
      unit: "pushes/s",
      isLogarithmic: true,
      bars: results.map((result) => ({
        group: `${loadName(result)}, ${result.outstanding} outstanding`,
        contender: result.contender,
        value: result.perSecond,
      })),
    },
  ];
}

function loadName({ joins }: PushCell): string {
  return joins ? "each after an add" : "alone";
}

function claims(results: readonly PushResult[]): Claim[] {
  const p50Ms = (contender: PusherName, joins: boolean): number | undefined =>
    results.find((result) => result.contender === contender && result.joins === joins && result.outstanding === 1)
      ?.p50Ms.median;
  const onMysql = p50Ms("redis + mysql", true);
  return [
    {
      claim: "redis: ms of a push (p50) after an add, through those of one alone",
      atMost: 3,
      measured: p50Ms("redis", true)! / p50Ms("redis", false)!,
    },
    ...(onMysql === undefined
      ? []
      : [
          {
            claim: "redis + mysql: ms of a push (p50) after an add; frontends ask for changes only every 100 ms",
            atMost: 50,
            measured: onMysql,
          },
        ]),
  ];
}
