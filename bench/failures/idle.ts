import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { DEFAULTS, startCluster } from "../../test/cluster/cluster.js";
import { Crowd } from "../../test/cluster/crowd.js";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";

/** What does a cluster ask of Redis while nothing happens? */
export const idle: Part<IdleResult[]> = { slow: false, measure, tables, claims };

const FULL = { users: 50_000, durationMs: 60_000 };
const QUICK = { users: 50_000, durationMs: 10_000 };

const FRONTENDS = 4;
const BACKENDS = 3;
/** What comes of what was done before. */
const SETTLE_MS = 2000;

interface IdleResult {
  memberships: number;
  frontends: number;
  backends: number;
  seconds: number;
  /** command -> how many came from clients. */
  commands: Record<string, number>;
}

function measure(quick: boolean): Promise<IdleResult[]> {
  const { users, durationMs } = quick ? QUICK : FULL;
  return inScope(async (scope) => {
    const owner = ownedBy(scope);
    progress("idle: starting");
    const cluster = await startCluster(owner, {
      ...DEFAULTS,
      frontends: FRONTENDS,
      backends: 0,
      hasNamedSessions: true,
    });
    const results: IdleResult[] = [];
    const look = async (memberships: number, backends: number): Promise<void> => {
      progress(`idle: ${format(memberships)} memberships, ${backends} backends`);
      await sleep(SETTLE_MS);
      const commands = await commandsFor(cluster.redis.url, durationMs);
      results.push({ memberships, frontends: FRONTENDS, backends, seconds: durationMs / 1000, commands });
    };
    await look(0, 0);
    const filler = await cluster.startBackend();
    const sids = cluster.frontends.map(({ sid }) => sid);
    const crowd = new Crowd(owner, cluster, { name: "idle", size: users, sids });
    await crowd.enter(cluster.frontends, filler);
    crowd.client.disconnect();
    await filler.kill();
    await look(2 * users, 0);
    for (let started = 0; started < BACKENDS; started++) await cluster.startBackend({ countsEvents: true });
    await look(2 * users, BACKENDS);
    return results;
  });
}

/** What clients send in that time, as `MONITOR` tells: what scripts call themselves is not among it. */
async function commandsFor(url: string, durationMs: number): Promise<Record<string, number>> {
  const client = new Redis(url);
  const monitor = await client.monitor();
  const commands: Record<string, number> = {};
  monitor.on("monitor", (_time: string, [command = ""]: string[], source: string) => {
    if (source !== "lua") commands[command.toLowerCase()] = (commands[command.toLowerCase()] ?? 0) + 1;
  });
  await sleep(durationMs);
  monitor.disconnect();
  client.disconnect();
  return commands;
}

function tables(results: readonly IdleResult[]): string[] {
  return [
    markdownTable(
      "idle: commands that Redis gets from clients while nothing happens (`MONITOR`, without what scripts call)",
      ["memberships", "frontends", "backends", "commands/s", "of each frontend or backend", "which"],
      results.map(({ memberships, frontends, backends, seconds, commands }) => [
        ...[memberships, frontends, backends].map(format),
        format(total(commands) / seconds),
        format(total(commands) / seconds / (frontends + backends)),
        Object.entries(commands)
          .map(([command, count]) => `${format(count / seconds)} ${command}`)
          .join(", "),
      ]),
    ),
  ];
}

function claims(results: readonly IdleResult[]): Claim[] {
  return results
    .filter(({ backends }) => backends === 0)
    .map(({ memberships, frontends, seconds, commands }) => ({
      claim: `idle: commands/s of each frontend, ${format(memberships)} memberships`,
      // So many seconds hold one renewal more where the first is at their beginning.
      atMost: 1 + 1 / seconds,
      measured: total(commands) / seconds / frontends,
    }));
}

function total(commands: Record<string, number>): number {
  return Object.values(commands).reduce((sum, count) => sum + count, 0);
}
