import type { Sample } from "../support/call-sample.js";
import type { Load, LoadResult } from "../support/load.js";
import { type ProcessUsage, processUsageBetween } from "../support/process-usage.js";
import { readRedisUsages, serversUsageBetween } from "../support/redis-usage.js";
import type { Participants } from "./participants.js";

/** Sends messages; each ends when all clients have it. @throws where a client has not got each message once */
export async function applyRun({ sender, clients }: Participants, load: Load): Promise<LoadResult> {
  const port = await sender.call("listenForArrivals");
  await Promise.all(clients.map((process) => process.call("begin", port)));
  try {
    return await sender.call("run", load);
  } finally {
    const problems = await Promise.all(clients.map((process) => process.call("problem")));
    const problem = problems.find((found) => found !== undefined);
    // It says more than that the run does not end.
    // oxlint-disable-next-line no-unsafe-finally
    if (problem !== undefined) throw new Error(problem);
  }
}

/** The same, and what it has cost: `frontendsCpuMsPerCall` is that of the server of the clients. */
export async function measure(participants: Participants, load: Load): Promise<Sample> {
  const before = await readUsages(participants);
  const result = await applyRun(participants, load);
  const after = await readUsages(participants);
  const [server, sender] = [between(before.server, after.server), between(before.sender, after.sender)];
  const redis = before.redis.length > 0 ? serversUsageBetween(before.redis, after.redis).cpuMs : undefined;
  return {
    ...result,
    cpuMsPerCall: sender / result.calls,
    storeCpuMsPerCall: redis === undefined ? undefined : redis / result.calls,
    frontendsCpuMsPerCall: server / result.calls,
  };
}

async function readUsages({ usages, redis }: Participants) {
  const [server, sender, ofRedis] = await Promise.all([usages.server(), usages.sender?.(), readRedisUsages(redis)]);
  return { server, sender, redis: ofRedis };
}

/** CPU time. @throws where something was reported meanwhile */
function between(before: ProcessUsage | undefined, after: ProcessUsage | undefined): number {
  if (!before || !after) return 0;
  const { cpuMs, errors } = processUsageBetween(before, after);
  if (errors.length > 0) throw new Error(`${errors.length} errors, such as ${errors[0]}`);
  return cpuMs;
}
