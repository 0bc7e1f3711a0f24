import type { Cluster, Redis } from "ioredis";
import { GlobalChannelError } from "../errors.js";
import { corkForTick } from "./cork.js";
import { withPatience } from "./disconnect.js";
import { inTime, type Link, ready } from "./link.js";
import { ShardedSubscriptions } from "./sharded-subscriptions.js";
import { SilenceWatch } from "./silence-watch.js";
import {
  createClusterClient,
  hasTimeLimit,
  isClient,
  type RedisClusterClient,
  type RedisClusterSource,
} from "./source.js";

/** A Redis Cluster: for each of its primaries a connection for commands, and one for the subscriptions that are there. */
export class ClusterLink implements Link {
  readonly client: Cluster;
  readonly subscriptions: ShardedSubscriptions;
  readonly #source: RedisClusterSource | RedisClusterClient;
  readonly #silences = new Set<SilenceWatch>();
  readonly #watchSilence = (node: Redis): void => {
    const watch = new SilenceWatch(node);
    this.#silences.add(watch);
    // A cluster does not tell of one in whose place another has come already.
    node.once("end", () => {
      watch.stop();
      this.#silences.delete(watch);
    });
  };

  constructor(source: RedisClusterSource | RedisClusterClient) {
    this.#source = source;
    this.client = isClient(source) ? (source as Cluster) : createClusterClient(source);
    this.subscriptions = new ShardedSubscriptions(this.client);
  }

  async open(): Promise<void> {
    // An injected client is its owner's to break, and who gives a time limit of its own has it.
    if (this.client !== this.#source && !hasTimeLimit(this.#source)) this.client.on("+node", this.#watchSilence);
    await ready(this.client);
    await this.#checkVersion();
    this.subscriptions.open();
  }

  async close(): Promise<void> {
    await this.subscriptions.close();
    this.client.off("+node", this.#watchSilence);
    for (const watch of this.#silences) watch.stop();
    if (this.client === this.#source) return;
    if (this.client.status === "ready") await withPatience(this.client.quit());
    this.client.disconnect();
  }

  cork(): void {
    for (const { status, stream } of this.servers()) if (status === "ready") corkForTick(stream);
  }

  servers(): readonly Redis[] {
    return this.client.nodes("master");
  }

  /** @throws `GC_UNSUPPORTED` */
  async #checkVersion(): Promise<void> {
    const info = await inTime(this.client.info("server"));
    const version = /^redis_version:(\d+)\.(\S+)/m.exec(info);
    if (!version || Number(version[1]) >= MIN_VERSION) return;
    throw new GlobalChannelError(
      "GC_UNSUPPORTED",
      `a Redis Cluster must be of version ${MIN_VERSION}.0 or newer, which has sharded pub/sub; this is ${version[1]}.${version[2]}`,
    );
  }
}

/** The first major version with sharded pub/sub: https://redis.io/docs/latest/develop/pubsub/#sharded-pubsub */
const MIN_VERSION = 7;
