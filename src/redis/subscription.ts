/** What a subscriber gets. */
export interface SubscriptionListener {
  /** A message, and the pub/sub channel that it came by. */
  message(message: string, channel: string): void;
  /** The subscription is lost: what comes from now on may be later than what is missed. */
  lost?(): void;
  /** It is made again: messages may have been missed. */
  gap?(): void;
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
    for (const listener of this.listeners) listener.lost?.();
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
