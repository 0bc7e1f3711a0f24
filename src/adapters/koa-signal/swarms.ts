import { chunks } from "../../batches.js";
import type { SseSession } from "../../connectors/sse/connector.js";
import { reportError } from "../../diagnostics.js";
import type { GlobalChannelService } from "../../service/service.js";
import type { EventsGap, MembershipEvent } from "../../types.js";
import { initiatorOf, peersOf, readChannel } from "./channels.js";
import { GONE_AFTER_MS, Swarm } from "./swarm.js";

/**
 * How long after a gap it is looked what was missed, in milliseconds: where the store had lost its members, their frontends have written
 * them again by then. And after a look at which somebody was missing: so long that then it is known who is gone.
 */
const LOOK_AFTER_MS = GONE_AFTER_MS;

/** How many swarms are looked at together. */
const BATCH = 100;

/** A look at some swarms, at a time of this process. */
interface Look {
  concerns: (id: string) => boolean;
  dueAt: number;
}

/**
 * The swarms that have peers at this process. What happens to them, at whatever process, it hears as events of their channels: it tells
 * initiators of joins and leaves, and ends swarms whose initiators have gone.
 */
export class Swarms {
  readonly #service: GlobalChannelService;
  readonly #swarms = new Map<string, Swarm>();
  readonly #swarmOf = new WeakMap<SseSession, Swarm>();
  /** What is to be looked at, in the order of its time. */
  #looks: Look[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isStopped = false;

  constructor(service: GlobalChannelService) {
    this.#service = service;
  }

  /** From now on it hears what happens; what has happened before is looked for. */
  start(): void {
    this.#service.on("join", this.#joined).on("leave", this.#left).on("gap", this.#missed);
    this.#missed({ concerns: () => true });
  }

  /** Hears no more. */
  stop(): void {
    this.#isStopped = true;
    this.#service.off("join", this.#joined).off("leave", this.#left).off("gap", this.#missed);
    clearTimeout(this.#timer);
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Ends the streams of all peers here. Resolves when they are gone. */
  async endAll(): Promise<void> {
    await Promise.all(Array.from(this.#swarms.values(), (swarm) => swarm.end()));
  }

  /** A peer's stream is open: until that is closed it belongs to the swarm. */
  add(id: string, session: SseSession, isInitiator: boolean): void {
    let swarm = this.#swarms.get(id);
    if (!swarm) this.#swarms.set(id, (swarm = new Swarm(id)));
    swarm.add(session, isInitiator);
    this.#swarmOf.set(session, swarm);
    void session.closed.then(() => this.#closed(swarm, session));
    if (this.#isStopped) void swarm.end();
  }

  /** The swarm that a stream is of. */
  of(session: SseSession): Swarm | undefined {
    return this.#swarmOf.get(session);
  }

  #closed(swarm: Swarm, session: SseSession): void {
    swarm.peers.delete(session);
    // The others, elsewhere, hear of it.
    if (swarm.initiator === session) void swarm.end();
    if (swarm.peers.size === 0 && this.#swarms.get(swarm.id) === swarm) this.#swarms.delete(swarm.id);
  }

  readonly #joined = ({ name, uid }: MembershipEvent): void => {
    const channel = readChannel(name);
    if (channel && !channel.isInitiators) this.#swarms.get(channel.id)?.joined(uid);
  };

  readonly #left = ({ name, uid }: MembershipEvent): void => {
    const channel = readChannel(name);
    const swarm = channel && this.#swarms.get(channel.id);
    if (channel?.isInitiators) void swarm?.end();
    else swarm?.left(uid);
  };

  readonly #missed = ({ concerns }: EventsGap): void => {
    // Its two channels may be at different servers.
    this.#lookLater((id) => concerns(peersOf(id)) || concerns(initiatorOf(id)));
  };

  #lookLater(concerns: Look["concerns"]): void {
    this.#looks.push({ concerns, dueAt: performance.now() + LOOK_AFTER_MS });
    this.#arm();
  }

  /** One look at a time: what is heard meanwhile is kept for one. */
  #arm(): void {
    const [next] = this.#looks;
    if (!next || this.#timer || this.#isLooking || this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#look(), Math.max(0, next.dueAt - performance.now())).unref();
  }

  async #look(): Promise<void> {
    const now = performance.now();
    const due = this.#looks.filter(({ dueAt }) => dueAt <= now);
    this.#looks = this.#looks.filter(({ dueAt }) => dueAt > now);
    this.#timer = undefined;
    this.#isLooking = true;
    const swarms = [...this.#swarms.values()].filter(({ id }) => due.some(({ concerns }) => concerns(id)));
    const again = new Set<string>();
    for (const some of chunks(swarms, BATCH)) {
      await Promise.all(
        some.map(async (swarm) => {
          if (await this.#correct(swarm)) again.add(swarm.id);
        }),
      );
    }
    this.#isLooking = false;
    if (again.size > 0) this.#lookLater((id) => again.has(id));
    this.#arm();
  }

  /** Resolves whether it is to be looked at again. */
  async #correct(swarm: Swarm): Promise<boolean> {
    const { id, initiator } = swarm;
    try {
      if (initiator) return await swarm.correctPeers(() => this.#findPeers(id));
      return swarm.correctInitiator((await this.#service.count(initiatorOf(id))) > 0);
    } catch (error) {
      if (!this.#isStopped) reportError(this.#service, error);
      return true;
    }
  }

  async #findPeers(id: string): Promise<Set<string>> {
    const cids = new Set<string>();
    for await (const { uid } of this.#service.members(peersOf(id))) cids.add(uid);
    return cids;
  }
}
