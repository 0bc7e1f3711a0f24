import { GlobalChannelError } from "../errors.js";
import type { Unsubscribe } from "../types.js";

/** What a subscriber gets. */
export interface SubscriptionListener {
  /** A message, and the pub/sub channel that it came by. */
  message(message: string, channel: string): void;
  /** The subscription to these channels, of those that it listens to, is lost: what comes from now on may be later than what is missed. */
  lost?(channels: readonly string[]): void;
  /** It is made again: messages may have been missed. */
  gap?(channels: readonly string[]): void;
}

/**
 * What each probe begins with, and nothing else that is sent. To those who watch changes and know nothing of probes it is
 * JSON: the end of a channel without members and without a name.
 */
const PROBE_START = ' ["","clear",';
const PROBE_MARK = PROBE_START.charCodeAt(0);

/** @param id unlike that of any other probe, of any process: letters, digits, `_`, `-` and `.` */
export function probeText(id: string): string {
  return `${PROBE_START}"${id}"]`;
}

/** One pub/sub channel, or one pattern of them, that this process is subscribed to. */
export class Subscription {
  readonly listeners = new Set<SubscriptionListener>();
  /** The pub/sub channel whose messages come by it: its own, or one that matches the pattern. */
  readonly probedAt: string;
  #stands = false;
  #awaited: string | undefined;

  constructor(probedAt: string) {
    this.probedAt = probedAt;
  }

  /** Whether Redis has confirmed it on the connection that there is now. */
  get stands(): boolean {
    return this.#stands;
  }

  confirm(): void {
    this.#stands = true;
  }

  /** Its connection is lost, and with it what was to come. */
  lose(): void {
    this.#stands = false;
    this.#awaited = undefined;
  }

  /** This probe is to come by it. */
  expect(probe: string): void {
    this.#awaited = probe;
  }

  /** Whether this probe has not come. */
  awaits(probe: string): boolean {
    return this.#awaited === probe;
  }

  receive(message: string, channel: string): void {
    if (message.charCodeAt(0) === PROBE_MARK) {
      // Those of other processes come here, too.
      if (message === this.#awaited) this.#awaited = undefined;
      return;
    }
    for (const listener of this.listeners) listener.message(message, channel);
  }
}

/** Tells each listener once, of all the channels that concern it. */
export function tellListeners(event: "lost" | "gap", subscriptions: Iterable<Subscription>): void {
  const channelsOf = new Map<SubscriptionListener, string[]>();
  for (const { listeners, probedAt } of subscriptions) {
    for (const listener of listeners) {
      const channels = channelsOf.get(listener);
      if (channels) channels.push(probedAt);
      else channelsOf.set(listener, [probedAt]);
    }
  }
  for (const [listener, channels] of channelsOf) listener[event]?.(channels);
}

/** One end for all of them; where one cannot be had, the others are ended. */
export async function allOrNone(subscribing: readonly Promise<Unsubscribe>[]): Promise<Unsubscribe> {
  const unsubscribeAll = async (): Promise<void> => {
    const done = await Promise.allSettled(subscribing);
    await Promise.all(done.map((each) => each.status === "fulfilled" && each.value()));
  };
  try {
    await Promise.all(subscribing);
  } catch (error) {
    await unsubscribeAll();
    throw error;
  }
  return unsubscribeAll;
}

/** How many are told by name. */
const MAX_NAMES = 10;

/** What is told of subscriptions that have died while their connection lived. */
export function deadSubscriptions(dead: readonly Subscription[]): GlobalChannelError {
  const names = dead.slice(0, MAX_NAMES).map(({ probedAt }) => probedAt);
  if (dead.length > MAX_NAMES) names.push(`${dead.length - MAX_NAMES} others`);
  return new GlobalChannelError(
    "GC_STORE_UNAVAILABLE",
    `Redis answers but sends no messages of ${names.join(", ")}: the subscriptions are made again, on a new connection`,
  );
}
