import { setTimeout as sleep } from "node:timers/promises";
import type { Owner } from "../cluster/cluster.js";
import { addsUp, type CallOutcome, sumOf } from "../cluster/outcome.js";
import { monotonicMs } from "../support/monotonic.js";
import type { RedisNode } from "../support/redis-node.js";
import { type FailoverMode, KEY, startServers } from "./servers.js";
import { CALM_MS, isWhole, TopologyWorld } from "./world.js";

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

/**
 * How long after a replica has taken over pushes have to be good, in milliseconds. Sentinels may name a primary that hangs for a while,
 * and each attempt to get an answer from that takes a second.
 */
export function goodWithinMs({ mode, cause }: Pick<FailoverPlan, "mode" | "cause">): number {
  return mode === "Sentinel" && cause === "hangs" ? 5000 : 3000;
}

/** How long a primary that hangs does so when a replica has taken over, in milliseconds: nothing is to wait for its return. */
const HANG_ON_MS = 6000;
/** How often the replicas are asked for a write. */
const ASK_EVERY_MS = 5;
const PATIENCE_MS = 60_000;

/** Starts servers and everyone who uses them, and has a replica take over from its primary under load. */
export async function failOver(owner: Owner, plan: FailoverPlan): Promise<FailoverResult> {
  const { source, nodes, primary, waitUntilOk } = await startServers(owner, plan.mode, plan.silentMs);
  const world = await TopologyWorld.begin(owner, source);

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

  const good = outcomes.filter(({ at, report }) => at > goneAt && isWhole(report));
  const lastBadAt = lastBadOf(outcomes, goneAt);
  const affected = outcomes.filter(({ at, ms }) => at + ms >= goneAt && at <= lastBadAt);
  const count = (what: "targeted" | "delivered" | "failed" | "unknown"): number => sumOf(affected, what);
  return {
    ...plan,
    takenOverMs: takenOverAt - goneAt,
    firstGoodMs: Math.min(...good.map(({ at, ms }) => at + ms)) - goneAt,
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

/** When the last push was called for that was not good; `goneAt` if none was since then. */
export function lastBadOf(outcomes: readonly CallOutcome[], goneAt: number): number {
  return Math.max(goneAt, ...outcomes.filter(({ report }) => !isWhole(report)).map(({ at }) => at));
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
