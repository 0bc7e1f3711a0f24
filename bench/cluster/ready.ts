import { channelName, type Channels } from "./channels.js";
import type { Participants } from "./participants.js";
import { beginAt, checkDeliveries, haveCome } from "./witnesses.js";

/** How long a contender may take until its messages come to all, and for how long one is waited for. */
const READY_TIMEOUT_MS = 20_000;
const PROBE_MS = 200;
/** The first message may take long to thousands of clients, and must not come in the middle of what follows. */
const CLIENTS_PROBE_MS = 5000;

/**
 * Waits until what a contender pushes to the first of the channels comes to all its clients, or to all frontends where there are
 * none: subscriptions and polls of some contenders begin at their own time.
 */
export async function untilReady(
  { contender, backend, frontends, clients }: Participants,
  channels: Channels,
): Promise<void> {
  const witnesses = clients ?? frontends;
  const probeMs = clients ? CLIENTS_PROBE_MS : PROBE_MS;
  for (const endAt = Date.now() + READY_TIMEOUT_MS; Date.now() < endAt;) {
    await beginAt(witnesses);
    await backend.call("probe", channelName(channels, 0));
    if (await haveCome(witnesses, 1, probeMs)) return;
  }
  if (clients) await checkDeliveries(contender, clients);
  throw new Error(`${contender}: no message comes to all ${clients ? "clients" : "frontends"}`);
}
