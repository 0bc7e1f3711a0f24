import { LatencyHistogram } from "../support/histogram.js";
import type { Rate } from "../support/rate.js";
import type { Channels } from "./channels.js";
import { allCome, frontendLatencies } from "./frontend-arrivals.js";
import type { Participants } from "./participants.js";
import type { RateSample } from "./rate-sample.js";
import { checkErrors } from "./usages.js";
import { beginAt } from "./witnesses.js";

/** Pushes to channels at a fixed rate. */
export interface RateRun {
  channels: Channels;
  rate: Rate;
}

/** Compares when pushes were due with when they came to the frontends. */
export async function applyRateRun(participants: Participants, { channels, rate }: RateRun): Promise<RateSample> {
  const { contender, backend, frontends } = participants;
  await beginAt(frontends);
  const { sent, lateMs, isCutShort } = await backend.call("runAtRate", channels, rate);
  await allCome(participants, sent.numbers.length);
  const { lastAt, histogram } = await frontendLatencies(participants, sent);
  // What they have reported since they began: nothing is to go wrong at any time.
  checkErrors(contender, await Promise.all([backend, ...frontends].map((process) => process.call("usage"))));
  const lateness = new LatencyHistogram();
  for (const late of lateMs) lateness.record(late);
  return {
    pushes: sent.numbers.length,
    latencies: histogram,
    lateness,
    trailMs: lastAt - sent.times.at(-1)!,
    isCutShort,
  };
}
