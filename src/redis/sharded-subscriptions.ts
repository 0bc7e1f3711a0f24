import { setTimeout as sleep } from "node:timers/promises";
import keySlot from "cluster-key-slot";
import type { Cluster, Redis } from "ioredis";
import { reportError } from "../diagnostics.js";
import type { Unsubscribe } from "../types.js";
import { withPatience } from "./disconnect.js";
import type { Keys } from "./keys.js";
import type { Probe } from "./prober.js";
import { movedTo, ShardSubscriber } from "./shard-subscriber.js";
import { isReplyError, toStoreError, unavailable } from "./store-error.js";
import {
  allOrNone,
  deadSubscriptions,
  Subscription,
  type SubscriptionListener,
  tellListeners,
} from "./subscription.js";
import type { Subscriptions } from "./subscriptions.js";

/**
 * How often a server is asked which ones have the slots, in milliseconds: who only listens is told of nothing, neither that a primary
 * stands still nor that a replica has taken over.
 */
const LOOK_MS = 1000;
/**
 * How many looks there are between those that refresh the slots in any case, as where no server answers. Not by ioredis' own timer, which
 * goes on for ever where the client ends while it asks.
 */
const REFRESH_LOOKS = 5;
/** How long it is waited before a subscription is tried again, in milliseconds: the cluster may be choosing a new primary. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 500;
/** Up to which attempt it is followed at once where the servers say that it is. */
const MAX_HOPS = 5;
/** How long one that Redis refuses, for another reason than that it is elsewhere. */
const REFUSED_MS = 1000;

/** A sharded pub/sub channel that this process is subscribed to, or will be. */
class ShardedChannel extends Subscription {
  readonly slot: number;
  /** The server that it is subscribed at. */
  at: string | undefined;
  /** The server that is said to have its slot, until it has been asked. */
  owner: string | undefined;
  /** Its way to the server that has its slot. */
  placing: Promise<void> | undefined;
  /** Whether it was subscribed before. */
  wasPlaced = false;

  constructor(readonly channel: string) {
    super(channel);
    this.slot = keySlot(channel);
  }
}

/**
 * Sharded pub/sub of a Redis Cluster: each channel is subscribed at the server that has its slot, on a connection to it that all share.
 * Where the slot moves, or the server's replica takes over, the subscription follows. See {@link Subscriptions}.
 */
export class ShardedSubscriptions implements Subscriptions {
  readonly #cluster: Cluster;
  readonly #channels = new Map<string, ShardedChannel>();
  readonly #subscribers = new Map<string, ShardSubscriber>();
  readonly #onRefresh = (): void => this.#followSlots();
  /** Those that were made again, and whose listeners are to be told. */
  readonly #regained = new Set<ShardedChannel>();
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;
  #isClosed = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  open(): void {
    this.#cluster.on("refresh", this.#onRefresh);
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#cluster.off("refresh", this.#onRefresh);
    this.#channels.clear();
    this.#regained.clear();
    await Promise.all([...this.#subscribers.values()].map((subscriber) => subscriber.close()));
  }

  async catchUp(name: string): Promise<void> {
    const channel = this.#channels.get(name);
    // Of one that is not subscribed now, what was sent before is lost.
    if (channel?.at !== undefined) await this.#subscribers.get(channel.at)?.catchUp();
  }

  carryProbe<T>(send: (probe: Probe) => Promise<T>): Promise<T> {
    // A command that goes to one slot cannot publish to others.
    return send([]);
  }

  subscribe(channels: readonly string[], listener: SubscriptionListener): Promise<Unsubscribe> {
    return allOrNone(channels.map((channel) => this.#add(channel, listener)));
  }

  subscribeToChanges(partitions: readonly Keys[], listener: SubscriptionListener): Promise<Unsubscribe> {
    return this.subscribe(
      partitions.map(({ noChanges }) => noChanges),
      {
        ...listener,
        message: (message) => {
          const space = message.indexOf(" ");
          listener.message(message.slice(space + 1), message.slice(0, space));
        },
      },
    );
  }

  async #add(name: string, listener: SubscriptionListener): Promise<Unsubscribe> {
    const channel = this.#channels.get(name) ?? new ShardedChannel(name);
    this.#channels.set(name, channel);
    channel.listeners.add(listener);
    const remove = async (): Promise<void> => {
      channel.listeners.delete(listener);
      if (channel.listeners.size > 0 || this.#channels.get(name) !== channel) return;
      this.#channels.delete(name);
      await this.#leave(channel);
    };
    try {
      if (!channel.stands) await this.#place(channel);
    } catch (error) {
      await remove();
      throw error;
    }
    return remove;
  }

  /** Resolves once the channel is subscribed. @throws where Redis refuses, and it has never been subscribed */
  #place(channel: ShardedChannel): Promise<void> {
    channel.placing ??= this.#placeNow(channel).finally(() => (channel.placing = undefined));
    return channel.placing;
  }

  async #placeNow(channel: ShardedChannel): Promise<void> {
    for (let attempt = 0; this.#isWanted(channel); attempt++) {
      try {
        await this.#placeAtOwner(channel);
        return;
      } catch (error) {
        if (this.#isClosed) break;
        channel.owner = this.#asServer(movedTo(error));
        if (channel.owner !== undefined && attempt < MAX_HOPS) continue;
        const isRefused = isReplyError(error) && !MOVING.test(error.message);
        if (isRefused && !channel.wasPlaced) throw toStoreError(error);
        if (isRefused) reportError(this, error);
        await sleep(isRefused ? REFUSED_MS : Math.min(RETRY_MS * 2 ** attempt, MAX_RETRY_MS), undefined, {
          ref: false,
        });
        await this.#refreshSlots();
      }
    }
    if (!channel.wasPlaced) throw unavailable("the connection is closed");
  }

  async #placeAtOwner(channel: ShardedChannel): Promise<void> {
    const owner = channel.owner ?? this.#ownerOf(channel);
    channel.owner = undefined;
    if (owner === undefined) throw unavailable(`no server has slot ${channel.slot}`);
    const subscriber = this.#subscriberAt(owner);
    // Messages may come before the answer is handed over.
    channel.at = owner;
    try {
      await subscriber.subscribe(channel.channel);
    } catch (error) {
      channel.at = undefined;
      throw error;
    }
    if (!this.#isWanted(channel)) {
      // Unless somebody has subscribed anew there meanwhile.
      if (this.#channels.get(channel.channel)?.at !== owner) await this.#leave(channel);
      return;
    }
    // Its connection was lost before this was handed over.
    if (channel.at !== owner || this.#subscribers.get(owner) !== subscriber)
      throw unavailable("the connection was lost");
    channel.confirm();
    if (channel.wasPlaced) this.#tellGapsSoon([channel]);
    channel.wasPlaced = true;
  }

  #subscriberAt(server: string): ShardSubscriber {
    const known = this.#subscribers.get(server);
    if (known) return known;
    const sibling = this.#cluster.nodes("all").find((node) => keyOf(node) === server);
    if (!sibling) throw unavailable(`server ${server} is not known`);
    const subscriber = new ShardSubscriber({
      sibling,
      standing: () => [...this.#channels.values()].filter(({ at, stands }) => stands && at === server),
      publish: ([text, ...channels]) => Promise.all(channels.map((channel) => this.#cluster.spublish(channel, text!))),
      message: (channel, message) => {
        const subscription = this.#channels.get(channel);
        // Where it was before it may be told of for a while, too.
        if (subscription?.at === server) subscription.receive(message, channel);
      },
      refused: (owners) => this.#moveTo(server, owners),
      regained: (channels) => {
        this.#tellGapsSoon(channels.flatMap((name) => this.#channels.get(name) ?? []));
        // A primary ends them where its replica takes over, and takes them again as a replica.
        void this.#refreshSlots();
      },
      dead: (dead) => {
        reportError(this, deadSubscriptions(dead));
        subscriber.destroy();
      },
      closed: () => this.#lose(server, subscriber),
    });
    this.#subscribers.set(server, subscriber);
    return subscriber;
  }

  /** The connection to a server is lost. */
  #lose(server: string, subscriber: ShardSubscriber): void {
    if (this.#subscribers.get(server) !== subscriber) return;
    this.#subscribers.delete(server);
    this.#moveAll([...this.#channels.values()].filter(({ at }) => at === server));
  }

  /** A server says that it has the slots of some no more, and mostly where they are now. */
  #moveTo(server: string, owners: ReadonlyMap<string, string | undefined>): void {
    const moved = [...owners.keys()]
      .flatMap((name) => this.#channels.get(name) ?? [])
      .filter(({ stands, at }) => stands && at === server);
    for (const channel of moved) {
      channel.owner = this.#asServer(owners.get(channel.channel));
      void this.#leave(channel);
    }
    this.#moveAll(moved);
    void this.#refreshSlots();
  }

  /** Follows the slots that have moved. */
  #followSlots(): void {
    for (const channel of this.#channels.values()) {
      const owner = this.#ownerOf(channel);
      if (channel.stands && owner !== undefined && owner !== channel.at) void this.#follow(channel, owner);
      // One that is lost at the very moment when it has just been made.
      if (!channel.stands && !channel.placing) this.#placeAgain(channel);
    }
    this.#closeUnused();
  }

  /** Whoever was asked where the slots are may not know yet of a move: the server itself has to say that the slot is there. */
  async #follow(channel: ShardedChannel, owner: string): Promise<void> {
    const before = channel.at;
    const isHere = await this.#isSubscribedAt(channel, owner);
    if (!isHere || channel.at === owner) return;
    if (channel.at === before && this.#isWanted(channel)) {
      void this.#leave(channel);
      channel.owner = owner;
      this.#moveAll([channel]);
    } else {
      await this.#leave(channel, owner);
    }
  }

  async #isSubscribedAt({ channel }: ShardedChannel, server: string): Promise<boolean> {
    try {
      await this.#subscriberAt(server).subscribe(channel);
      return true;
    } catch {
      return false;
    }
  }

  /** These are lost where they were. */
  #moveAll(channels: readonly ShardedChannel[]): void {
    const lost = channels.filter(({ stands }) => stands);
    for (const channel of channels) {
      channel.lose();
      channel.at = undefined;
    }
    tellListeners("lost", lost);
    for (const channel of lost) this.#placeAgain(channel);
  }

  #placeAgain(channel: ShardedChannel): void {
    this.#place(channel).catch((error: unknown) => reportError(this, error));
  }

  async #leave({ at, channel }: ShardedChannel, server = at): Promise<void> {
    const subscriber = server === undefined ? undefined : this.#subscribers.get(server);
    if (subscriber) await withPatience(subscriber.unsubscribe(channel));
  }

  #closeUnused(): void {
    const used = new Set([...this.#channels.values()].map(({ at }) => at));
    const owners = new Set([...this.#channels.values()].map((channel) => this.#ownerOf(channel)));
    for (const [server, subscriber] of this.#subscribers) {
      if (used.has(server) || owners.has(server)) continue;
      this.#subscribers.delete(server);
      subscriber.close().catch((error: unknown) => reportError(this, error));
    }
  }

  #tellGapsSoon(channels: readonly ShardedChannel[]): void {
    // Those of one server come at the same time.
    if (this.#regained.size === 0) setImmediate(() => this.#tellGaps());
    for (const channel of channels) this.#regained.add(channel);
  }

  #tellGaps(): void {
    // Of those that are lost again the gap is told later.
    const regained = [...this.#regained].filter(({ stands }) => stands);
    this.#regained.clear();
    tellListeners("gap", regained);
  }

  #isWanted(channel: ShardedChannel): boolean {
    return !this.#isClosed && this.#channels.get(channel.channel) === channel;
  }

  /** What a server is called here that another one has named: nobody knows where addresses are mapped. */
  #asServer(address: string | undefined): string | undefined {
    return this.#cluster.options.natMap ? undefined : address;
  }

  #ownerOf({ slot }: ShardedChannel): string | undefined {
    return this.#cluster.slots[slot]?.[0];
  }

  async #look(): Promise<void> {
    if (++this.#looks % REFRESH_LOOKS === 0 || (await this.#haveSlotsMoved())) await this.#refreshSlots();
  }

  /**
   * Asks one server after the other, by the connections that there are: to refresh the slots, ioredis makes a new one. And the server that
   * it asks may not know of a move that another one has told of: so the answer is compared with what the client knows.
   */
  async #haveSlotsMoved(): Promise<boolean> {
    const servers = this.#cluster.nodes("master").filter(({ status }) => status === "ready");
    const server = servers[this.#looks % servers.length];
    // Where it does not answer, others will.
    const ranges = (await server?.cluster("SLOTS").catch(() => undefined)) as SlotRange[] | undefined;
    return ranges?.some((range) => this.#knowsOtherwise(range)) ?? false;
  }

  /** Whether the client takes one of these slots for another server's. */
  #knowsOtherwise([from, to, [host, port]]: SlotRange): boolean {
    const { natMap } = this.#cluster.options;
    const address = `${host}:${port}`;
    const mapped = typeof natMap === "function" ? natMap(address) : natMap?.[address];
    const server = mapped ? `${mapped.host}:${mapped.port}` : address;
    for (let slot = from; slot <= to; slot++) if (this.#cluster.slots[slot]?.[0] !== server) return true;
    return false;
  }

  #refreshSlots(): Promise<void> {
    return new Promise((resolve) => {
      // Where nobody can be asked, it is tried again.
      this.#cluster.refreshSlotsCache(() => resolve());
    });
  }
}

/** As `CLUSTER SLOTS` says it; after the primary come its replicas: https://redis.io/docs/latest/commands/cluster-slots/ */
type SlotRange = [from: number, to: number, primary: [host: string, port: number, ...rest: unknown[]]];

/** Replies that say that a slot is elsewhere, or nowhere for now. */
const MOVING = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN)\b/;

/** What ioredis calls a server. */
function keyOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}
