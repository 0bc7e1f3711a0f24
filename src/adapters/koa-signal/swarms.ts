import { chunks } from "../../batches.js";
import type { SseSession } from "../../connectors/sse/connector.js";
import { reportError } from "../../diagnostics.js";
import type { GlobalChannelService } from "../../service/service.js";
import type { EventsGap, MembershipEvent } from "../../types.js";
import { initiatorOf, peersOf, readChannel } from "./channels.js";
import { Swarm } from "./swarm.js";

/**
 * When it is looked what was missed, in milliseconds: where the store had lost its members, their frontends have written them again by
 * then.
 */
const CHECK_AFTER_MS = 10_000;

/** How many swarms are looked at together. */
const BATCH = 100;

/**
 * The swarms that have peers at this process. What happens to them, at whatever process, it hears as events of their channels: it tells
 * initiators of joins and leaves, and ends swarms whose initiators have gone.
 */
export class Swarms {
  readonly #service: GlobalChannelService;
  readonly #swarms = new Map<string, Swarm>();
  readonly #swarmOf = new WeakMap<SseSession, Swarm>();
  #gaps: EventsGap[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(service: GlobalChannelService) {
    this.#service = service;
  }

  /** From now on it hears what happens; what has happened before it is told later. */
  start(): void {
    this.#service.on("join", this.#joined).on("leave", this.#left).on("gap", this.#missed);
    this.#missed({ concerns: () => true });
  }

  /** Ends the streams of all peers here, and of those that come. */
  stop(): void {
    this.#isStopped = true;
    this.#service.off("join", this.#joined).off("leave", this.#left).off("gap", this.#missed);
    clearTimeout(this.#timer);
    for (const swarm of this.#swarms.values()) swarm.end();
  }

  /** A peer's stream is open: until that is closed it belongs to the swarm. */
  add(id: string, session: SseSession, isInitiator: boolean): void {
    let swarm = this.#swarms.get(id);
    if (!swarm) this.#swarms.set(id, (swarm = new Swarm(id)));
    swarm.add(session, isInitiator);
    this.#swarmOf.set(session, swarm);
    void session.closed.then(() => this.#closed(swarm, session));
    if (this.#isStopped) swarm.end();
  }

  /** The swarm that a stream is of. */
  of(session: SseSession): Swarm | undefined {
    return this.#swarmOf.get(session);
  }

  #closed(swarm: Swarm, session: SseSession): void {
    swarm.peers.delete(session);
    // The others, elsewhere, hear of it.
    if (swarm.initiator === session) swarm.end();
    if (swarm.peers.size === 0 && this.#swarms.get(swarm.id) === swarm) this.#swarms.delete(swarm.id);
  }

  readonly #joined = ({ name, uid }: MembershipEvent): void => {
    const channel = readChannel(name);
    if (channel && !channel.isInitiators) this.#swarms.get(channel.id)?.joined(uid);
  };

  readonly #left = ({ name, uid }: MembershipEvent): void => {
    const channel = readChannel(name);
    const swarm = channel && this.#swarms.get(channel.id);
    if (channel?.isInitiators) swarm?.end();
    else swarm?.left(uid);
  };

  readonly #missed = (gap: EventsGap): void => {
    if (this.#isStopped) return;
    this.#gaps.push(gap);
    this.#timer ??= setTimeout(() => void this.#check(), CHECK_AFTER_MS).unref();
  };

  /** Looks what was missed. */
  async #check(): Promise<void> {
    const gaps = this.#gaps;
    this.#gaps = [];
    this.#timer = undefined;
    const concerned = [...this.#swarms.values()].filter(({ id }) => gaps.some(({ concerns }) => concerns(peersOf(id))));
    try {
      for (const some of chunks(concerned, BATCH)) await Promise.all(some.map((swarm) => this.#correct(swarm)));
    } catch (error) {
      reportError(this.#service, error);
      for (const gap of gaps) this.#missed(gap);
    }
  }

  async #correct(swarm: Swarm): Promise<void> {
    const { id, initiator } = swarm;
    if (initiator) {
      await swarm.correct(async () => {
        const cids = new Set<string>();
        for await (const { uid } of this.#service.members(peersOf(id))) cids.add(uid);
        return cids;
      });
    } else if ((await this.#service.count(initiatorOf(id))) === 0) {
      swarm.end();
    }
  }
}
