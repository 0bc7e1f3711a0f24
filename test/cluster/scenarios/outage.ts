import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../../support/monotonic.js";
import { pause } from "../../support/pause.js";
import { connectClients, eventually, memberships, type Owner, startCluster } from "../cluster.js";
import { addsUp, type CallOutcome, isComplete } from "../outcome.js";
import type { Protection } from "../without.js";

/** What is wrong with Redis: its process is gone, and a new one comes, empty; or it stands still, and goes on. */
export type Outage = "gone" | "hangs";

export interface OutagePlan {
  outage: Outage;
  awayMs: number;
  frontends: number;
  /** Real clients of each frontend. */
  clients: number;
  leaseMs: number;
  /** How often each backend pushes. */
  everyMs: number;
  without?: readonly Protection[];
  say?: (progress: string) => void;
}

export interface OutageResult {
  /** Processes that have ended. */
  crashes: number;
  calls: number;
  /** Of the calls that were begun while Redis was away: how many, how many of them failed, and the longest that one took. */
  begun: number;
  refused: number;
  slowestMs: number;
  /** Those of them that failed with an error that is not temporary. */
  notTemporary: CallOutcome[];
  /** Of the calls that were under way when Redis went: how many, and the longest that one took. */
  underWay: number;
  slowestUnderWayMs: number;
  /** Reports of pushes, whenever they were begun, that do not account for every member. */
  wrong: CallOutcome[];
  /** Pushes that were under way when Redis went or begun when it was back, and failed with an error that is not temporary. */
  otherNotTemporary: number;
  /** Of the process that grew most: its heap in use, after the garbage was collected, at the end of the outage and after it. */
  growthBytes: number;
  /** From when Redis was there until the report of the first push that reached every member. */
  firstGoodMs: number;
}

/** How long before the end of the outage it is looked how much is kept, in milliseconds. */
const LOOK_MS = 500;
/** How long pushes go on when Redis is back. */
const AFTER_MS = 3000;
/** What a call that is under way when Redis goes may still be answered by. */
const LEAVING_MS = 100;

/** Takes Redis away under load, for a time. */
export async function takeRedisAway(owner: Owner, plan: OutagePlan): Promise<OutageResult> {
  const { outage, awayMs, leaseMs, everyMs, without = [], say } = plan;
  const cluster = await startCluster(owner, {
    frontends: plan.frontends,
    backends: 3,
    leaseMs,
    graceMs: 10_000,
    without,
  });
  const { redis, frontends, backends } = cluster;
  const processes = [...frontends.map(({ process }) => process), ...backends];
  let crashes = 0;
  let isOver = false;
  for (const { exited } of processes) void exited.then(() => (crashes += isOver ? 0 : 1));
  const clients = await connectClients(owner, frontends, plan.clients);
  await backends[0]!.call("addMany", memberships("room", clients));
  for (const backend of backends) {
    await backend.call("startLoad", "room", everyMs);
    await backend.call("startOtherLoad", "room", frontends[0]!.sid, everyMs);
  }
  await eventually(() => clients.every((client) => client.of("load").length > 200), 20_000);
  const heaps = (): Promise<number[]> => Promise.all(processes.map((process) => process.call("memory")));
  const before = await heaps();

  say?.(`Redis ${outage === "gone" ? "is gone" : outage} for ${awayMs / 1000} s`);
  const goneAt = monotonicMs();
  const end = outage === "gone" ? redis.stop() : pause(redis.pid!, awayMs);
  // It grows until Redis is back: that is looked at shortly before.
  const atTheEnd = sleep(awayMs - LOOK_MS).then(heaps);
  await Promise.all([end, sleep(awayMs)]);
  const backAt = outage === "gone" ? monotonicMs() : goneAt + awayMs;
  if (outage === "gone") await redis.restart();
  const thereAt = monotonicMs();
  await sleep(AFTER_MS);
  const [heapsThen, after] = [await atTheEnd, await heaps()];
  const pushes = (await Promise.all(backends.map((backend) => backend.call("stopLoad", "room")))).flat();
  const others = (await Promise.all(backends.map((backend) => backend.call("stopLoad", "other")))).flat();

  isOver = true;
  const calls = [...pushes, ...others];
  const isNotTemporary = ({ error }: CallOutcome): boolean => error?.temporary === false;
  const begun = calls.filter(({ at }) => at > goneAt + LEAVING_MS && at < backAt);
  const underWay = calls.filter(({ at, ms }) => at <= goneAt + LEAVING_MS && at + ms > goneAt);
  const firstGood = pushes.filter((push) => push.at > backAt && isComplete(push, clients.length));
  return {
    ...{ crashes, calls: calls.length },
    begun: begun.length,
    refused: begun.filter(({ error }) => error).length,
    slowestMs: slowest(begun),
    notTemporary: begun.filter(isNotTemporary),
    underWay: underWay.length,
    slowestUnderWayMs: slowest(underWay),
    wrong: pushes.filter((push) => !addsUp(push)),
    otherNotTemporary: pushes.filter((push) => isNotTemporary(push) && !begun.includes(push)).length,
    growthBytes: Math.max(...before.map((bytes, index) => Math.max(heapsThen[index]!, after[index]!) - bytes)),
    firstGoodMs: Math.min(...firstGood.map(({ at, ms }) => at + ms)) - thereAt,
  };
}

function slowest(calls: readonly CallOutcome[]): number {
  return Math.max(0, ...calls.map(({ ms }) => ms));
}
