import keySlot from "cluster-key-slot";
import { escape, Keys } from "./keys.js";

/**
 * Where everything is kept. All that one script touches is in one partition: a standalone Redis is one; a Redis Cluster has
 * {@link PARTITIONS}, each in a slot of its own.
 */
export interface Layout {
  /** The keys of each partition. */
  readonly partitions: readonly Keys[];
  /** hash: sid -> lease. */
  readonly servers: string;
  /** SCAN pattern that every key matches, and those of longer prefixes too. */
  readonly all: string;
  /** The partition of a channel, a user, a frontend or a caller. */
  of(name: string): Keys;
  /** Whether a key is one of this prefix, and not of a longer one such as `<prefix>:test`. */
  isOwn(key: string): boolean;
}

/** Items by the partition that each is in. */
export function byPartition<T>(layout: Layout, items: readonly T[], nameOf: (item: T) => string): Map<Keys, T[]> {
  const groups = new Map<Keys, T[]>();
  for (const item of items) {
    const keys = layout.of(nameOf(item));
    const group = groups.get(keys);
    if (group) group.push(item);
    else groups.set(keys, [item]);
  }
  return groups;
}

/** All of it is in one partition. */
export class WholeLayout implements Layout {
  readonly partitions: readonly Keys[];
  readonly servers: string;
  readonly all: string;
  readonly #keys: Keys;

  constructor(prefix: string, db: number) {
    this.#keys = new Keys(prefix, db);
    this.partitions = [this.#keys];
    this.servers = this.#keys.servers;
    this.all = `${prefix}:*`;
  }

  of(): Keys {
    return this.#keys;
  }

  isOwn(key: string): boolean {
    return this.#keys.isOwn(key);
  }
}

/** How many slots a Redis Cluster has: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ */
const SLOTS = 16_384;
/**
 * How many partitions: up to 24 servers have the same share of them, within a quarter. With more, what is called for at the same time would
 * go in more scripts, each for fewer sets, and every frontend, which is subscribed to its changes in each, would have more of them.
 */
const PARTITIONS = 64;
/** What is one slot of each partition's range apart from the next one's. */
const RANGE = SLOTS / PARTITIONS;

/**
 * The keys of each partition have a hash tag of their own: of the partition's range of slots, so that servers that share the
 * slots share the partitions. A name is in the partition in whose range its own slot is.
 */
export class PartitionedLayout implements Layout {
  readonly partitions: readonly Keys[];
  readonly servers: string;
  readonly all: string;
  readonly #byTag: ReadonlyMap<string, Keys>;
  readonly #ownKey: RegExp;

  constructor(prefix: string) {
    const registry = new Keys(`${prefix}:{${REGISTRY_TAG}}`, 0);
    this.servers = registry.servers;
    const partitions = TAGS.map((tag): [string, Keys] => [tag, new Keys(`${prefix}:{${tag}}`, 0)]);
    this.partitions = partitions.map(([, keys]) => keys);
    this.#byTag = new Map([...partitions, [REGISTRY_TAG, registry]]);
    this.all = `${prefix}:{*`;
    this.#ownKey = new RegExp(`^${prefix.replaceAll(".", "\\.")}:\\{([^{}]*)\\}`);
  }

  of(name: string): Keys {
    // Without braces: what looks like a hash tag within names is not to bring them all together.
    return this.partitions[Math.floor(keySlot(escape(name)) / RANGE)]!;
  }

  isOwn(key: string): boolean {
    const tag = this.#ownKey.exec(key)?.[1];
    return tag !== undefined && (this.#byTag.get(tag)?.isOwn(key) ?? false);
  }
}

const REGISTRY_TAG = "servers";

/** A hash tag for each range of slots: the first of the numbers from 0 on, in base 36, whose slot is in it. */
const TAGS: readonly string[] = (() => {
  const tags = new Map<number, string>();
  for (let number = 0; tags.size < PARTITIONS; number++) {
    const tag = number.toString(36);
    const range = Math.floor(keySlot(tag) / RANGE);
    if (!tags.has(range)) tags.set(range, tag);
  }
  return Array.from({ length: PARTITIONS }, (_value, range) => tags.get(range)!);
})();
