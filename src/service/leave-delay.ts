import type { ChannelEvent, MembershipEvent } from "../types.js";
import type { TellEvent } from "./service-events.js";

/** What is kept: a leave or the end of a channel that is held back for the delay, or a join that was told, for `downMs` longer. */
type Kept = { until: number } & (
  | { type: "join" | "leave"; event: MembershipEvent }
  | { type: "channel-emptied"; event: ChannelEvent }
);
type KeptMembership = Extract<Kept, { type: "join" | "leave" }>;

/** What is kept of one channel. */
interface KeptChannel {
  emptied: Kept | undefined;
  /** By uid, each user's in the order of the events. */
  users: Map<string, Set<KeptMembership>>;
}

interface LeaveDelayOptions {
  delayMs: number;
  /** After how long a leave is heard of that comes as its frontend has died: lease and grace. */
  downMs: number;
  tell: TellEvent;
  /** A clock that is never set back, in milliseconds. @default performance.now */
  now?: () => number;
}

/**
 * Holds `leave` and `channel-emptied` back for a while, so that who comes back soon has never been away:
 *
 * - a join takes the place of a leave that is held back of that user and channel, at whatever frontend: neither is told
 * - a leave of one who has joined at another frontend within the delay before it is not told: the user has moved. The join was
 *   told by then. Each join excuses one leave, and none once its own membership has ended. Of a frontend that has died the leaves
 *   are heard of late: the join may have been longer before
 * - a channel that is created while its end is held back gives neither event
 *
 * What is destroyed is told at once, after the leaves of that channel that are held back: nobody comes back to it. Events of
 * one user in one channel are told in their order, and the end of a channel after the leaves before it. There is one timer for all
 * that is kept, that keeps no process alive.
 */
export class LeaveDelay {
  readonly #delayMs: number;
  readonly #downMs: number;
  readonly #tell: TellEvent;
  readonly #now: () => number;
  /** Joins, and what is held back; each in the order of the events, which is that in which their time is over. */
  readonly #joins = new Set<Kept>();
  readonly #held = new Set<Kept>();
  readonly #channels = new Map<string, KeptChannel>();
  #timer: NodeJS.Timeout | undefined;
  /** When that is. */
  #dueAt = Infinity;

  constructor({ delayMs, downMs, tell, now = () => performance.now() }: LeaveDelayOptions) {
    this.#delayMs = delayMs;
    this.#downMs = downMs;
    this.#tell = tell;
    this.#now = now;
  }

  join(event: MembershipEvent): void {
    this.#endDue();
    const left = this.#ofUser(event).filter(({ type }) => type === "leave");
    const undone = left.find(({ event: { sid } }) => sid === event.sid) ?? left[0];
    if (undone) {
      this.#drop(undone);
    } else {
      this.#tell("join", event);
      this.#keepMembership("join", event);
    }
  }

  leave(event: MembershipEvent): void {
    this.#endDue();
    const joined = this.#ofUser(event).filter(({ type }) => type === "join");
    for (const join of joined) if (join.event.sid === event.sid) this.#drop(join);
    const sinceMs = event.reason === "server-down" ? this.#downMs : 0;
    const moved = joined.find(
      ({ event: { sid }, until }) => sid !== event.sid && this.#now() < until - this.#downMs + sinceMs,
    );
    if (event.reason === "destroyed") this.#tell("leave", event);
    else if (moved) this.#drop(moved);
    else this.#keepMembership("leave", event);
  }

  created(event: ChannelEvent): void {
    this.#endDue();
    const emptied = this.#channels.get(event.name)?.emptied;
    if (emptied) this.#drop(emptied);
    else this.#tell("channel-created", event);
  }

  emptied(event: ChannelEvent): void {
    this.#endDue();
    if (event.reason === "destroyed") {
      for (const users of [...(this.#channels.get(event.name)?.users.values() ?? [])]) {
        for (const kept of [...users]) if (kept.type === "leave") this.#end(kept);
      }
      this.#tell("channel-emptied", event);
    } else {
      this.#keep({ type: "channel-emptied", event, until: this.#now() + this.#delayMs });
    }
  }

  /** Tells what has been held back for long enough. */
  expire(): void {
    this.#endDue();
    this.#schedule();
  }

  /** Tells all that is held back, at once. */
  flush(): void {
    for (const kept of [...this.#joins, ...this.#held]) this.#end(kept);
    this.#schedule();
  }

  /** How much is kept. */
  get size(): number {
    return this.#joins.size + this.#held.size;
  }

  /** Also before each event: the timer of a busy process is late. */
  #endDue(): void {
    for (const queue of [this.#joins, this.#held]) {
      for (const kept of queue) {
        if (kept.until > this.#now()) break;
        this.#end(kept);
      }
    }
  }

  #ofUser({ name, uid }: MembershipEvent): KeptMembership[] {
    return [...(this.#channels.get(name)?.users.get(uid) ?? [])];
  }

  #keepMembership(type: "join" | "leave", event: MembershipEvent): void {
    this.#keep({ type, event, until: this.#now() + this.#delayMs + (type === "join" ? this.#downMs : 0) });
  }

  #keep(kept: Kept): void {
    const { name } = kept.event;
    const channel = this.#channels.get(name) ?? { emptied: undefined, users: new Map<string, Set<KeptMembership>>() };
    this.#channels.set(name, channel);
    if (kept.type === "channel-emptied") {
      channel.emptied = kept;
    } else {
      const { uid } = kept.event;
      channel.users.set(uid, (channel.users.get(uid) ?? new Set()).add(kept));
    }
    this.#queueOf(kept).add(kept);
    if (kept.until < this.#dueAt) this.#schedule();
  }

  #drop(kept: Kept): void {
    this.#queueOf(kept).delete(kept);
    const { name } = kept.event;
    const channel = this.#channels.get(name)!;
    if (kept.type === "channel-emptied") {
      channel.emptied = undefined;
    } else {
      const ofUser = channel.users.get(kept.event.uid)!;
      ofUser.delete(kept);
      if (ofUser.size === 0) channel.users.delete(kept.event.uid);
    }
    if (!channel.emptied && channel.users.size === 0) this.#channels.delete(name);
  }

  /** Its time is over. */
  #end(kept: Kept): void {
    this.#drop(kept);
    if (kept.type === "leave") this.#tell("leave", kept.event);
    else if (kept.type === "channel-emptied") this.#tell("channel-emptied", kept.event);
  }

  #queueOf({ type }: Kept): Set<Kept> {
    return type === "join" ? this.#joins : this.#held;
  }

  /** One timer, for what is due first. */
  #schedule(): void {
    clearTimeout(this.#timer);
    const [join] = this.#joins;
    const [held] = this.#held;
    this.#dueAt = Math.min(join?.until ?? Infinity, held?.until ?? Infinity);
    if (this.#dueAt === Infinity) return;
    // Not less than a tick: timers may be a fraction of a millisecond early.
    this.#timer = setTimeout(() => this.expire(), Math.max(1, this.#dueAt - this.#now())).unref();
  }
}
