import type { Redis } from "ioredis";
import { type GlobalChannelError, isUnavailable } from "../errors.js";
import { resolveOptions } from "../options.js";
import { ClusterLink } from "./cluster-link.js";
import { withPatience } from "./disconnect.js";
import { warnOfEviction } from "./eviction-policy.js";
import type { Keys } from "./keys.js";
import { type Layout, PartitionedLayout, WholeLayout } from "./layout.js";
import type { Link } from "./link.js";
import { probe } from "./prober.js";
import type { Script } from "./script.js";
import { SendQueue } from "./send-queue.js";
import { ServerLink } from "./server-link.js";
import { checkPrefix, checkSource, databaseOf, isClient, isClusterClient, isClusterSource } from "./source.js";
import type { RedisClusterClient, RedisClusterSource, RedisSource } from "./source.js";
import { toStoreError, unavailable } from "./store-error.js";
import type { Subscriptions } from "./subscriptions.js";
import { Turns } from "../turns.js";
import { UnderWay } from "./under-way.js";

export interface RedisConnectionOptions {
  /** What every key and pub/sub channel begins with: letters, digits and `_ . : @ / -`. @default "gc" */
  prefix?: string;
}

type ServerSource = Exclude<RedisSource, RedisClusterSource | RedisClusterClient>;

/** How many member sets, users and so on are given to one script call: keeps each below a few milliseconds. */
export const BATCH = 1000;
/** The same, of what costs Redis several microseconds each. */
export const COSTLY_BATCH = 125;

/**
 * How long all servers of a cluster may be gone before what is under way fails, in milliseconds: longer than ioredis waits before it
 * tries something again. What it keeps by then it sends first when it is connected again: nothing overtakes that.
 */
const KEPT_MS = 500;

/** The commands with one key: a cluster sends each to the server of that. */
export type KeyCommands = Pick<
  Redis,
  | "getdel"
  | "hdel"
  | "hexists"
  | "hgetall"
  | "sadd"
  | "scard"
  | "set"
  | "smembers"
  | "smismember"
  | "srandmember"
  | "srem"
  | "sscan"
  | "sscanBuffer"
  | "type"
  | "unlink"
>;

/**
 * One process's connections to Redis. It fails fast: while Redis is out of reach, every command rejects at once, where it only hangs
 * within 1 s; none is queued, and none is sent a second time. An injected client does what its options say.
 *
 * What is sent to a standalone Redis keeps its order. In a cluster, that holds for what is {@link write written} to one partition.
 */
export class RedisConnection {
  readonly layout: Layout;
  readonly isClustered: boolean;
  readonly #source: RedisSource;
  readonly #clusterSource: RedisClusterSource | RedisClusterClient | undefined;
  #link: Link | undefined;
  readonly #queues = new Map<Keys, SendQueue>();
  /** What is written to each partition of a cluster, one after the other: what is redirected must not be overtaken. */
  readonly #turns = new Turns<Keys>();
  /** The last write to each that found its server away. */
  readonly #failures = new Map<Keys, { at: number; error: GlobalChannelError }>();
  /** An injected client may keep what is under way until it is connected again: what waits for that must not. */
  readonly #onLoss = (): void => {
    this.#flush();
    if (this.isClustered && !this.#patience) this.#patience = setTimeout(() => this.#failKept(), KEPT_MS).unref();
  };
  /** By the link that there is now. */
  #underWay = new UnderWay();
  #patience: NodeJS.Timeout | undefined;
  #users = 0;
  #opening: Promise<void> | undefined;

  constructor(source: RedisSource, options: RedisConnectionOptions = {}) {
    const { prefix } = resolveOptions("redis", options, { prefix: checkPrefix });
    this.#source = checkSource(source);
    this.#clusterSource = clusterSourceOf(this.#source);
    this.isClustered = this.#clusterSource !== undefined;
    this.layout = this.isClustered
      ? new PartitionedLayout(prefix)
      : new WholeLayout(prefix, databaseOf(this.#source as ServerSource));
  }

  /** Connects, unless that is done. Each `open` needs a {@link close}. */
  async open(): Promise<void> {
    this.#users++;
    const opening = (this.#opening ??= this.#open());
    try {
      await opening;
      if (this.#opening !== opening) throw closedWhileOpening();
    } catch (error) {
      // Where it has failed because it was closed, others may have opened it anew.
      if (this.#opening === opening) await this.close();
      throw error;
    }
  }

  /** Disconnects what this class has connected, once everyone who opened it has closed it. */
  async close(): Promise<void> {
    // One stop too many must not count against those who start next.
    if (this.#users === 0 || --this.#users > 0) return;
    const link = this.#link;
    this.#opening = undefined;
    // What has been called for comes before the end.
    for (const queue of this.#queues.values()) queue.reset();
    await withPatience(this.#underWay.idle());
    if (this.#link === link) this.#link = undefined;
    link?.client.off("close", this.#onLoss);
    await link?.close();
  }

  get subscriptions(): Subscriptions {
    if (!this.#link) throw unavailable("it is not connected");
    return this.#link.subscriptions;
  }

  /** Gathers what is to be sent to a partition. What is called for there by other ways comes after what it has gathered before. */
  queueOf(keys: Keys): SendQueue {
    let queue = this.#queues.get(keys);
    if (!queue) this.#queues.set(keys, (queue = new SendQueue(() => this.#link?.client.status === "ready")));
    return queue;
  }

  /** Runs commands with one key each. @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR` */
  command<T>(run: (client: KeyCommands) => Promise<T>): Promise<T> {
    return this.#send(({ client }) => run(client as Redis));
  }

  /** Runs a script that only reads, or whose calls may come in any order. @throws as {@link command} */
  run<T>(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<T> {
    return this.#send(({ client }) => {
      const { command, lua } = this.isClustered ? script.clustered : script;
      const commands = client as unknown as Record<string, (...args: (string | number)[]) => Promise<T>>;
      if (!commands[command]) client.defineCommand(command, { lua });
      return commands[command]!(keys.length, ...keys, ...args);
    });
  }

  /** Runs a script that touches one partition, after what was written to that before. @throws as {@link command} */
  write<T>(partition: Keys, script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<T> {
    return this.inTurn(partition, () => this.read(partition, script, keys, args));
  }

  /** Does what writes to one partition, after what was written to that before. @throws as {@link command} */
  inTurn<T>(partition: Keys, write: () => Promise<T>): Promise<T> {
    if (!this.isClustered) return write();
    this.#queues.get(partition)?.flush();
    const calledAt = performance.now();
    return this.#turns.take(partition, async () => {
      // One of those that this has waited for has shown that the server is away: it would not fare better.
      const failure = this.#failures.get(partition);
      if (failure && failure.at >= calledAt) throw failure.error;
      try {
        return await write();
      } catch (error) {
        if (isUnavailable(error)) this.#failures.set(partition, { at: performance.now(), error });
        throw error;
      }
    });
  }

  /** Runs a script that touches one partition. @throws as {@link command} */
  read<T>(partition: Keys, script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<T> {
    // Of a slot that is on its way to another server a key that is not there makes the call come later: by then all keys are there.
    const declared = this.isClustered && script.findsKeys ? [...keys, partition.nothing] : keys;
    return this.run(script, declared, args);
  }

  /** Publishes a message. Resolves how many have got it. @throws as {@link command} */
  publish(channel: string, message: string): Promise<number> {
    return this.#send(
      ({ client }) =>
        (this.isClustered ? client.spublish(channel, message) : client.publish(channel, message)) as Promise<number>,
    );
  }

  /** Resolves once all that was sent to a standalone Redis before has been answered. */
  async catchUp(): Promise<void> {
    if (!this.isClustered) await this.#send(({ client }) => client.ping());
  }

  /** The clients of the servers that have keys now. */
  get servers(): readonly Redis[] {
    return this.#link?.servers() ?? [];
  }

  /** Asks one of the {@link servers}. @throws as {@link command} */
  ask<T>(server: Redis, question: (server: Redis) => Promise<T>): Promise<T> {
    return this.#send(() => question(server));
  }

  async #send<T>(send: (link: Link) => Promise<T>): Promise<T> {
    this.flush();
    const link = this.#link;
    if (link?.client.status !== "ready") throw unavailable(`the connection is ${link?.client.status ?? "closed"}`);
    link.cork();
    try {
      return await this.#underWay.add(send(link));
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /** Makes fail what the client keeps while all servers of a cluster are gone. */
  #failKept(): void {
    this.#patience = undefined;
    if (this.#link?.client.status === "ready") return;
    this.#underWay.failAll(unavailable("the connection was lost"));
  }

  /** Sends to a standalone Redis what was gathered: what is sent from now on comes after it. In a cluster only what is written keeps its order. */
  flush(): void {
    if (!this.isClustered) this.#flush();
  }

  #flush(): void {
    for (const queue of this.#queues.values()) queue.flush();
  }

  async #open(): Promise<void> {
    const link = this.#createLink();
    this.#link = link;
    this.#underWay = new UnderWay();
    const opened = link.open();
    await Promise.allSettled([opened]);
    if (this.#link !== link) {
      // Some of it may have been opened after that.
      await link.close();
      throw closedWhileOpening();
    }
    await opened;
    link.client.on("close", this.#onLoss);
    // An injected client may wait for ever.
    await withPatience(Promise.all(link.servers().map(warnOfEviction)));
  }

  #createLink(): Link {
    if (this.#clusterSource) return new ClusterLink(this.#clusterSource);
    return new ServerLink(this.#source as ServerSource, (args) => this.run(probe, [], args));
  }
}

function closedWhileOpening(): GlobalChannelError {
  return unavailable("it was closed while it was being connected");
}

function clusterSourceOf(source: RedisSource): RedisClusterSource | RedisClusterClient | undefined {
  if (typeof source === "string") return undefined;
  if (isClient(source)) return isClusterClient(source) ? source : undefined;
  return isClusterSource(source) ? source : undefined;
}
