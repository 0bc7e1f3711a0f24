import type { NodeProcess } from "../../test/support/process.js";
import { acknowledges } from "../contenders/index.js";
import type { Load, LoadResult } from "../support/load.js";
import type { Channels } from "./channels.js";
import type { ClientsApi } from "./client-process.js";
import { allCome, frontendLatencies } from "./frontend-arrivals.js";
import type { Participants } from "./participants.js";
import type { Recording } from "./recorder.js";
import type { Sample } from "./sample.js";
import { beginAt, checkDeliveries } from "./witnesses.js";

/** Pushes to channels. */
export interface Run {
  channels: Channels;
  load: Load;
  /** The share of a channel's members that is replaced before each push to it. @default 0 */
  churn?: number;
}

/** What a run tells by itself. */
export type RunResult = Omit<Sample, "perPush">;

/** Applies a load. @param arrived is called when all has come, before what is only for the bench begins */
export function applyRun(participants: Participants, run: Run, arrived = async () => {}): Promise<RunResult> {
  const { clients } = participants;
  return clients ? runToClients(participants, run, clients, arrived) : runToFrontends(participants, run, arrived);
}

/** A push ends when all clients have it. Fails if a client has got one twice, or has gone. */
async function runToClients(
  { contender, backend }: Participants,
  { channels, load, churn = 0 }: Run,
  clients: readonly NodeProcess<ClientsApi>[],
  arrived: () => Promise<void>,
): Promise<RunResult> {
  await beginAt(clients, await backend.call("listenForArrivals"));
  const running = backend.call("run", channels, load, { arrive: true, churn });
  // Where the run fails, the clients know more of what has not come.
  const { calls, elapsedMs, perSecond, p50Ms, p99Ms } = await running.catch(async (error: Error) => {
    await checkDeliveries(contender, clients, error);
    throw error;
  });
  await arrived();
  await checkDeliveries(contender, clients);
  return { calls, elapsedMs, perSecond, p50Ms, p99Ms, doneP50Ms: p50Ms };
}

/**
 * A push ends when the contender says so. Of those that acknowledge nothing, Redis has it then: the run ends when the last
 * message is at all frontends; and where one push is to be outstanding, frontends tell what they have got.
 */
async function runToFrontends(
  participants: Participants,
  { channels, load, churn = 0 }: Run,
  arrived: () => Promise<void>,
): Promise<RunResult> {
  const { contender, backend, frontends } = participants;
  const arrive = load.window === 1 && !acknowledges(contender);
  await beginAt(frontends, arrive ? await backend.call("listenForArrivals") : undefined);
  const result = await backend.call("run", channels, load, { arrive, churn });
  await allCome(participants, result.calls);
  await arrived();
  return arrivalOf(participants, result, await backend.call("sent"));
}

async function arrivalOf(
  participants: Participants,
  { calls, elapsedMs, p50Ms }: LoadResult,
  sent: Recording,
): Promise<RunResult> {
  const { lastAt, histogram } = await frontendLatencies(participants, sent);
  const untilLastMs = Math.max(elapsedMs, lastAt - sent.times[0]!);
  return {
    calls,
    doneP50Ms: p50Ms,
    elapsedMs: untilLastMs,
    perSecond: (calls / untilLastMs) * 1000,
    p50Ms: histogram.percentileMs(50),
    p99Ms: histogram.percentileMs(99),
  };
}
