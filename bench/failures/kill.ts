import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULTS, type Owner, type RunningCluster, startCluster } from "../../test/cluster/cluster.js";
import { Crowd } from "../../test/cluster/crowd.js";
import { monotonicMs } from "../../test/support/monotonic.js";
import { Keys } from "../../src/redis/keys.js";
import type { Part } from "../support/bench.js";
import type { Chart } from "../support/chart.js";
import type { Claim } from "../support/claims.js";
import { goFirst } from "../support/go-first.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { ScriptNames } from "../support/script-names.js";
import { type SlowCommand, SlowLog } from "../support/slow-log.js";
import { format, measured } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { ownedBy } from "./owner.js";
import { percentileOf } from "./percentile.js";
import { tracesOf } from "./traces.js";

/** A frontend with very many members is killed: how long is it seen, and what is left of it? */
export const kill: Part<KillResult> = { slow: false, measure, tables, claims, charts };

const FULL = { users: 50_000, kills: 20 };
const QUICK = { users: 50_000, kills: 2 };

const BACKENDS = 3;
/** Of those, the ones that look; all of them clean up. */
const WITNESSES = 2;
const POLL_MS = 20;
const PATIENCE_MS = 60_000;
/** How long the last leaves take to be told, and any that are told twice. */
const TOLD_MS = 1000;
/** When nothing may be left of it. */
const LEFT_AT_MOST_MS = 15_000;
const SEEN_AT_MOST_MS = 3000;
const COMMAND_AT_MOST_MS = 5;

const keys = new Keys("gc", 0);

interface Kill {
  /** way -> when the last look began that saw something, of all witnesses; since the kill. */
  seenMs: Record<string, number>;
  /** When the first of its members was taken out, and when the last trace of it was; since the kill. */
  evictionBeganMs: number;
  evictedMs: number;
  /** Keys, fields and values that name it after that. */
  left: string[];
  /** Leaves that the listeners were told of, each. */
  leaves: number[];
  /** The slowest command of Redis from the kill until all was evicted; undefined: none took a millisecond. */
  slowest: SlowCommand | undefined;
}

interface KillResult {
  memberships: number;
  kills: Kill[];
}

function measure(quick: boolean): Promise<KillResult> {
  const { users, kills } = quick ? QUICK : FULL;
  return inScope(async (scope) => {
    const owner = ownedBy(scope);
    const names = new ScriptNames();
    names.listen(scope);
    progress("kill: starting");
    const cluster = await startCluster(owner, {
      ...{ ...DEFAULTS, frontends: 1, backends: BACKENDS },
      ...{ hasNamedSessions: true, countsEvents: true },
    });
    goFirst(cluster.redis.pid!);
    const done: Kill[] = [];
    for (let number = 1; number <= kills; number++) {
      progress(`kill: ${number} of ${kills}`);
      done.push(await measureKill(owner, cluster, { users, number, names }));
    }
    return { memberships: 2 * users, kills: done };
  });
}

async function measureKill(
  owner: Owner,
  cluster: RunningCluster,
  { users, number, names }: { users: number; number: number; names: ScriptNames },
): Promise<Kill> {
  const { backends } = cluster;
  // None is the beginning of another one.
  const sid = `victim-${1000 + number}`;
  const victim = await cluster.startFrontend({ sid });
  const crowd = new Crowd(owner, cluster, { name: `crowd-${number}`, size: users, sids: [sid] });
  const { client, large } = crowd;
  await crowd.enter([victim], backends[0]!);
  const leavesBefore = await leavesTold(cluster);
  const log = await SlowLog.start(client, names);

  const watched = { sid, large, small: crowd.small(0), uid: crowd.users[0]!.uid };
  const watching = backends.slice(0, WITNESSES).map((backend) => backend.call("watchUntilGone", watched));
  // Not always as long after its last renewal.
  await sleep(500 + Math.random() * 1000);
  const killedAt = monotonicMs();
  await victim.process.kill();
  const seen = await Promise.all(watching);

  const remains = async (): Promise<number> =>
    (await client.scard(keys.channelsAt(sid))) + (await client.scard(keys.usersAt(sid)));
  const all = await remains();
  const evictionBeganMs = (await when(async () => (await remains()) < all)) - killedAt;
  const evictedMs = (await when(() => crowd.isForgotten(sid))) - killedAt;
  const [slowest] = await log.take();
  const left = await tracesOf(client, sid);
  await sleep(TOLD_MS);
  const leaves = (await leavesTold(cluster)).map((count, index) => count - leavesBefore[index]!);
  client.disconnect();
  const ways = Object.keys(seen[0]!);
  const lastSeen = (way: string): number => Math.max(...seen.map((at) => at[way]!)) - killedAt;
  const seenMs = Object.fromEntries(ways.map((way) => [way, lastSeen(way)]));
  return { seenMs, evictionBeganMs, evictedMs, left, leaves, slowest };
}

function leavesTold({ backends }: RunningCluster): Promise<number[]> {
  return Promise.all(
    backends.map(async (backend) => (await backend.call("eventCounts")).get("leave server-down") ?? 0),
  );
}

/** Resolves when it is so, on the monotonic clock; infinite: it is not so for long. */
async function when(isSo: () => Promise<boolean>): Promise<number> {
  for (const endAt = monotonicMs() + PATIENCE_MS; monotonicMs() < endAt; await sleep(POLL_MS)) {
    if (await isSo()) return monotonicMs();
  }
  return Infinity;
}

function tables({ memberships, kills }: KillResult): string[] {
  const rows = (times: Record<string, readonly number[]>): string[][] =>
    Object.entries(times).map(([what, ms]) => [
      what,
      ...[50, 99, 100].map((percent) => format(percentileOf(ms, percent))),
    ]);
  const ways = Object.keys(kills[0]!.seenMs);
  const seen = Object.fromEntries(ways.map((way) => [way, kills.map(({ seenMs }) => seenMs[way]!)]));
  return [
    markdownTable(
      `kill: SIGKILL of a frontend with ${format(memberships)} memberships, ${kills.length} times; ms from the kill until the last look began that saw any of them, from ${WITNESSES} backends`,
      ["seen by", "p50", "p99", "max"],
      rows({ ...seen, "any of these": kills.map(lastSeenMs) }),
    ),
    markdownTable(
      `kill: its eviction by ${BACKENDS} services, each with a listener; ms`,
      ["", "p50", "p99", "max"],
      rows({
        "begins, after the kill": kills.map(({ evictionBeganMs }) => evictionBeganMs),
        takes: kills.map(({ evictionBeganMs, evictedMs }) => evictedMs - evictionBeganMs),
        "ends, after the kill": kills.map(({ evictedMs }) => evictedMs),
        "the slowest command of Redis meanwhile": kills.map(({ slowest }) => slowest?.ms ?? 0),
      }),
    ),
  ];
}

function lastSeenMs({ seenMs }: Kill): number {
  return Math.max(...Object.values(seenMs));
}

function charts({ memberships, kills }: KillResult): Chart[] {
  return [
    {
      kind: "bars",
      title: `kill: until a killed frontend with ${format(memberships)} memberships is seen for the last time`,
      unit: "ms",
      bars: Object.keys(kills[0]!.seenMs).map((way) => ({
        group: way,
        contender: "globalchannel",
        value: measured(kills.map(({ seenMs }) => seenMs[way]!)),
      })),
    },
  ];
}

function claims({ memberships, kills }: KillResult): Claim[] {
  const wrong = kills.flatMap(({ leaves }) => leaves).reduce((sum, count) => sum + Math.abs(count - memberships), 0);
  return [
    {
      claim: `kill: ms until ${format(memberships)} members of a killed frontend are seen for the last time, p99`,
      atMost: SEEN_AT_MOST_MS,
      measured: percentileOf(kills.map(lastSeenMs), 99),
    },
    {
      claim: "kill: ms until nothing of it is left in Redis, p99",
      atMost: LEFT_AT_MOST_MS,
      measured: percentileOf(
        kills.map(({ evictedMs }) => evictedMs),
        99,
      ),
    },
    {
      claim: "kill: keys, fields and values that name it then, of all kills",
      atMost: 0,
      measured: kills.reduce((sum, { left }) => sum + left.length, 0),
    },
    { claim: "kill: leaves that listeners were told of too few or too many", atMost: 0, measured: wrong },
    {
      claim: "kill: ms, the slowest command of Redis while it is evicted, median of the kills",
      atMost: COMMAND_AT_MOST_MS,
      measured: measured(kills.map(({ slowest }) => slowest?.ms ?? 0)),
    },
  ];
}
