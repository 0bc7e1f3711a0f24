import { ARRIVAL_TIMEOUT_MS } from "./arrivals.js";
import { type Latencies, latenciesOf } from "./latencies.js";
import type { Participants } from "./participants.js";
import type { Recording } from "./recorder.js";
import { haveCome } from "./witnesses.js";

/** Waits until so many messages are at all frontends. */
export async function allCome({ contender, frontends }: Participants, count: number): Promise<void> {
  if (await haveCome(frontends, count, ARRIVAL_TIMEOUT_MS)) return;
  throw new Error(`${contender}: not all of ${count} messages have come to all frontends`);
}

/** How long what was sent took to the last of the frontends. */
export async function frontendLatencies({ frontends }: Participants, sent: Recording): Promise<Latencies> {
  return latenciesOf(sent, await Promise.all(frontends.map((process) => process.call("recording"))));
}
