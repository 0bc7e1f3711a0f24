import { GlobalChannelError } from "../errors.js";
import type { ChannelManager, EventsGap, MemberSetChange, Unsubscribe } from "../types.js";
import { LeaveDelay } from "./leave-delay.js";
import type { TellEvent } from "./service-events.js";

interface MembershipEventsOptions {
  manager: ChannelManager;
  /** For how long leaves are held back, in milliseconds. */
  leaveDelayMs: number;
  /** How long after the end of its lease a frontend's members are removed, in milliseconds. */
  graceMs: number;
  tell: TellEvent;
  report: (error: unknown) => void;
  /** A subscription was lost, and is made again. */
  gap: () => void;
  /** Events may have been missed. */
  missed: (gap: EventsGap) => void;
}

/** What is left of a frontend's lease when it dies, at most, where that has the default length; in milliseconds. */
const LEASE_MS = 3000;

/** How soon it is tried again to watch for those who listen already, in milliseconds. */
const AGAIN_MS = 1000;

/** Watches all changes of the cluster while somebody listens, and tells them one member at a time. */
export class MembershipEvents {
  readonly #manager: ChannelManager;
  readonly #report: (error: unknown) => void;
  readonly #gap: () => void;
  readonly #missed: (gap: EventsGap) => void;
  readonly #delay: LeaveDelay | undefined;
  readonly #events: Pick<LeaveDelay, "join" | "leave" | "created" | "emptied">;
  #watching: Promise<Unsubscribe | undefined> | undefined;
  #isStartingLate = false;
  /** Whether somebody listens already, in vain. */
  #isMissing = false;
  #again: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor({ manager, leaveDelayMs, graceMs, tell, report, gap, missed }: MembershipEventsOptions) {
    this.#manager = manager;
    this.#report = report;
    this.#gap = gap;
    this.#missed = missed;
    this.#delay =
      leaveDelayMs > 0 ? new LeaveDelay({ delayMs: leaveDelayMs, downMs: graceMs + LEASE_MS, tell }) : undefined;
    this.#events = this.#delay ?? {
      join: (event) => tell("join", event),
      leave: (event) => tell("leave", event),
      created: (event) => tell("channel-created", event),
      emptied: (event) => tell("channel-emptied", event),
    };
  }

  async start(): Promise<void> {
    this.#watching ??= this.#watch().catch((error: unknown) => {
      // Whoever listens next tries again.
      this.#watching = undefined;
      throw error;
    });
    await this.#watching;
  }

  /** {@link start} for whoever has come later, and waits for nothing. Until that succeeds it is tried again: nobody else would. */
  async startLate(): Promise<void> {
    if (this.#isStartingLate) return;
    this.#isStartingLate = true;
    clearTimeout(this.#again);
    try {
      await this.start();
      if (this.#isMissing) this.#missed({ concerns: () => true });
      this.#isMissing = false;
    } catch (error) {
      this.#isMissing = true;
      this.#report(error);
      if (!this.#isStopped) this.#again = setTimeout(() => void this.startLate(), AGAIN_MS);
    } finally {
      this.#isStartingLate = false;
    }
  }

  /** Ends the watch, and tells what is held back: it has happened. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#again);
    const unwatch = await this.#watching?.catch(() => undefined);
    this.#watching = undefined;
    await unwatch?.();
    this.#delay?.flush();
  }

  async #watch(): Promise<Unsubscribe | undefined> {
    if (!this.#manager.capabilities?.events) {
      // Not worth a failed start, but whoever listens should not wait unknowing.
      const message = "events are never told: they need a channel manager with the capability events";
      this.#report(new GlobalChannelError("GC_UNSUPPORTED", message));
      return undefined;
    }
    return this.#manager.watchAll?.({
      change: (change) => this.#tell(change),
      gap: ({ concerns = () => true } = {}) => {
        this.#gap();
        this.#missed({ concerns });
      },
    });
  }

  #tell(change: MemberSetChange): void {
    const { type, name, sid } = change;
    if (type === "clear") {
      if (change.emptied) this.#events.emptied({ name, sid, reason: "destroyed" });
      return;
    }
    const { uids, reason } = change;
    if (type === "join" && change.created) this.#events.created({ name, sid, reason });
    for (const uid of uids) this.#events[type]({ name, uid, sid, reason });
    if (type === "leave" && change.emptied) this.#events.emptied({ name, sid, reason });
  }
}
