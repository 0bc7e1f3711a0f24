import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import keySlot from "cluster-key-slot";
import { redis, type RedisSource } from "../../src/redis/index.js";
import { PartitionedLayout } from "../../src/redis/layout.js";
import type { Owner } from "../cluster/cluster.js";
import { addsUp, type CallOutcome, sumOf } from "../cluster/outcome.js";
import { monotonicMs } from "../support/monotonic.js";
import { startRedisCluster } from "../support/redis-cluster.js";
import type { RedisNode } from "../support/redis-node.js";
import { startSentinel } from "../support/redis-sentinel.js";
import { isWhole, SIDS, TopologyWorld } from "./world.js";

/** What sees to it that a replica takes over. */
export type FailoverMode = "Redis Cluster" | "Sentinel";
/** What happens to the primary: its process is gone; or it stands still, and goes on a while after a replica has taken over. */
export type FailoverCause = "killed" | "hangs";

export interface FailoverPlan {
  mode: FailoverMode;
  cause: FailoverCause;
  /** The `node-timeout` or `down-after` of the servers: after how long without an answer a primary counts as gone. */
  silentMs: number;
}

/** Times are in milliseconds since the primary was gone. */
export interface FailoverResult extends FailoverPlan {
  /** When a replica took a write in its place. */
  takenOverMs: number;
  /** When there was the first report of a push called for since then that everyone had got. */
  firstGoodMs: number;
  /** When the last push was called for that was not good; 0 if all were. */
  lastBadMs: number;
  /** Pushes that were called for until then, or were under way when the primary went. */
  pushes: number;
  /** How many of them failed without a report: Redis was away. */
  refused: number;
  /** What the reports of all others say, of each member of each push. */
  targeted: number;
  delivered: number;
  failed: number;
  unknown: number;
  /** Reports that do not account for every member. */
  doNotAddUp: CallOutcome[];
  /** Members, sessions, subscriptions and deliveries that are not as they should be, in the end. */
  wrong: string[];
}

/** How long the load goes on before and after, in milliseconds. */
const CALM_MS = 1000;
/**
 * How long after a replica has taken over pushes have to be good, in milliseconds: Sentinels may name a primary that hangs for a while, and
 * each attempt to get an answer from that takes a second.
 */
export const GOOD_WITHIN_MS = 5000;
/** How long a primary that hangs does so when a replica has taken over, in milliseconds: nothing is to wait for its return. */
const HANG_ON_MS = GOOD_WITHIN_MS + 1000;
/** How often the replicas are asked for a write. */
const ASK_EVERY_MS = 5;
const PATIENCE_MS = 60_000;

/** In the slot of an inbox: no push gets by without it. */
const KEY = new PartitionedLayout("probe").of(SIDS[0]!).sids;

/** Servers one of which fails. */
interface FailingServers {
  source: RedisSource;
  nodes: readonly RedisNode[];
  primary: RedisNode;
  waitUntilOk(): Promise<void>;
}

/** Starts servers and everyone who uses them, and has a replica take over from its primary under load. */
export async function failOver(owner: Owner, plan: FailoverPlan): Promise<FailoverResult> {
  const { source, nodes, primary, waitUntilOk } = await startServers(owner, plan);
  const prefix = randomUUID();
  const world = new TopologyWorld(() => redis(source, { prefix }));
  await world.start(owner);
  await sleep(CALM_MS);

  const goneAt = monotonicMs();
  if (plan.cause === "killed") await primary.kill();
  else primary.pause();
  const takenOverAt = await whenWritable(nodes.filter((node) => node !== primary));
  if (plan.cause === "hangs") {
    await sleep(HANG_ON_MS);
    primary.resume();
  }
  await waitUntilOk();
  await sleep(CALM_MS);
  const outcomes = await world.stop();
  const wrong = [...(await world.whatIsWrongInTheEnd()), ...world.wrongDeliveries(outcomes)];

  const after = outcomes.filter(({ at }) => at > goneAt);
  const goodAts = after.filter(({ report }) => isWhole(report)).map(({ at, ms }) => at + ms);
  const lastBadAt = Math.max(goneAt, ...after.filter(({ report }) => !isWhole(report)).map(({ at }) => at));
  const affected = outcomes.filter(({ at, ms }) => at + ms >= goneAt && at <= lastBadAt);
  const count = (what: "targeted" | "delivered" | "failed" | "unknown"): number => sumOf(affected, what);
  return {
    ...plan,
    takenOverMs: takenOverAt - goneAt,
    firstGoodMs: Math.min(...goodAts) - goneAt,
    lastBadMs: lastBadAt - goneAt,
    pushes: affected.length,
    refused: affected.filter(({ error }) => error && !error.report).length,
    targeted: count("targeted"),
    delivered: count("delivered"),
    failed: count("failed"),
    unknown: count("unknown"),
    doNotAddUp: outcomes.filter((outcome) => !addsUp(outcome)),
    wrong,
  };
}

async function startServers(owner: Owner, { mode, silentMs }: FailoverPlan): Promise<FailingServers> {
  if (mode === "Sentinel") {
    const servers = await startSentinel({ downAfterMs: silentMs });
    owner.teardown(() => servers.stop());
    return {
      source: { sentinels: servers.sentinels, name: servers.name },
      nodes: servers.nodes,
      primary: await servers.primary(),
      waitUntilOk: () => servers.waitUntilOk(),
    };
  }
  const servers = await startRedisCluster({ nodeTimeoutMs: silentMs });
  owner.teardown(() => servers.stop());
  return {
    source: { cluster: servers.startupNodes },
    nodes: servers.nodes,
    primary: await servers.primaryOf(keySlot(KEY)),
    waitUntilOk: () => servers.waitUntilOk(),
  };
}

/** Resolves when one of these takes a write; others answer that they are replicas, or that the slot is elsewhere. */
async function whenWritable(nodes: readonly RedisNode[]): Promise<number> {
  const giveUpAt = monotonicMs() + PATIENCE_MS;
  while (monotonicMs() < giveUpAt) {
    const answers = await Promise.allSettled(nodes.map((node) => node.call("SET", KEY, "1")));
    if (answers.some(({ status }) => status === "fulfilled")) return monotonicMs();
    await sleep(ASK_EVERY_MS);
  }
  throw new Error(`No replica has taken over after ${PATIENCE_MS / 1000} s.`);
}
