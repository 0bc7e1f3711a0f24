import type { LoadResult } from "../support/load.js";
import { measured, type Measured, round } from "../support/statistics.js";
import type { ContenderName } from "./contender.js";

/** What one push has cost. */
interface Costs {
  /** How often each command was called, by clients and inside scripts. */
  redisCalls: Record<string, number>;
  redisBytesOut: number;
  redisBytesIn: number;
  backendBytesRead: number;
  backendBytesWritten: number;
  backendCpuMs: number;
  frontendsCpuMs: number;
  redisCpuMs: number;
}

/** One run of one contender. */
export interface Sample extends LoadResult {
  perPush: Costs;
}

/** What is measured in several runs. */
export interface Cell {
  frontends: number;
  members: number;
  contender: ContenderName;
  /** How many pushes are outstanding. */
  window: number;
}

export interface CellResult extends Cell {
  runs: number;
  pushes: number;
  pushesPerSecond: Measured;
  p50Ms: Measured;
  p99Ms: Measured;
  /** Of the run with the median pushes per second. */
  perPush: Costs & { commandsFromClients: number; callsInsideScripts: number };
}

export function summarize(cell: Cell, samples: readonly Sample[]): CellResult {
  const typical = samples.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(samples.length / 2)]!;
  const { redisCalls, ...costs } = typical.perPush;
  return {
    ...cell,
    runs: samples.length,
    pushes: samples.reduce((sum, { calls }) => sum + calls, 0),
    pushesPerSecond: measured(samples.map(({ perSecond }) => perSecond)),
    p50Ms: measured(samples.map(({ p50Ms }) => p50Ms)),
    p99Ms: measured(samples.map(({ p99Ms }) => p99Ms)),
    perPush: {
      ...splitCalls(cell, redisCalls),
      ...(Object.fromEntries(Object.entries(costs).map(([name, value]) => [name, round(value)])) as typeof costs),
      redisCalls: Object.fromEntries(
        Object.entries(redisCalls)
          .map(([command, calls]) => [command, Number(calls.toFixed(2))] as const)
          .filter(([, calls]) => calls > 0),
      ),
    },
  };
}

/**
 * Redis counts a command that a script calls like one that a client sends. Of those that are used here, clients send EVALSHA,
 * SMEMBERS, and PUBLISH except for the one to each frontend in every call of the scripts of `globalchannel` and `raw`.
 */
function splitCalls({ contender, frontends }: Cell, calls: Record<string, number>) {
  const { evalsha = 0, eval: evaluations = 0, smembers = 0, publish = 0 } = calls;
  const scripts = evalsha + evaluations;
  const publishedByScripts = contender === "original" ? 0 : scripts * frontends;
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const fromClients = scripts + smembers + Math.max(0, publish - publishedByScripts);
  return { commandsFromClients: round(fromClients), callsInsideScripts: round(Math.max(0, total - fromClients)) };
}
