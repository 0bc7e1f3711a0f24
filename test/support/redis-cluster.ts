import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { viewOf, type ClusterView, type NodeView } from "./cluster-view.js";
import { findRedis, type FoundRedis } from "./find-redis.js";
import { expectOutput, Keeper, randomPort } from "./programs.js";
import { findRedisCli } from "./redis-cli.js";
import { SERVER_OPTIONS, startNode, type RedisNode } from "./redis-node.js";
import { waitUntilRight } from "./wait-until-right.js";

const SLOTS = 16_384;

const CREATE_ATTEMPTS = 3;
/** It takes about 1 s, or for ever where a node was not heard of in time. */
const CREATE_TIMEOUT_MS = 20_000;
const RESHARD_TIMEOUT_MS = 120_000;
const OK_TIMEOUT_MS = 60_000;

/** How many keys of a slot move at once. */
const KEYS_AT_ONCE = 10;
const MIGRATE_TIMEOUT_MS = 10_000;

export interface ClusterOptions {
  /** At least 3. @default 3 */
  primaries?: number;
  /** Of each primary. @default 1 */
  replicas?: number;
  /** After how long without an answer a node counts as gone. @default 1000 */
  nodeTimeoutMs?: number;
  /** Further arguments of the server program. */
  args?: readonly string[];
  /** @default what {@link findRedis} finds */
  program?: FoundRedis;
}

/** How far a slot has moved. */
export interface SlotMove {
  /** How many of its keys are at the new owner. */
  moved: number;
  /** How many are still at the old one. */
  left: number;
}

/**
 * Starts an empty Redis Cluster on 127.0.0.1 that keeps no data on disk, and waits until all of it is well. It dies, and its
 * folder goes, with the process that started it, even if that is killed; {@link RedisCluster.stop} it all the same, since
 * a process does not end by itself while it has one.
 */
export async function startRedisCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const { binary } = options.program ?? (await findRedis());
  const cli = await findRedisCli(binary);
  for (let attempt = 1; ; attempt++) {
    const keeper = new Keeper(await mkdtemp(join(tmpdir(), "globalchannel-cluster-")));
    const cluster = new RedisCluster(keeper, binary, cli, options);
    try {
      await cluster.form();
      return cluster;
    } catch (error) {
      await cluster.stop();
      // Nodes that the machine has no time for do not hear of each other.
      if (!/ failed \(SIGKILL\)/.test(String(error)) || attempt === CREATE_ATTEMPTS) throw error;
    }
  }
}

/** A Redis Cluster that this process has started. */
export class RedisCluster {
  readonly #keeper: Keeper;
  readonly #binary: string;
  readonly #cli: string;
  readonly #options: ClusterOptions;
  readonly #nodes: RedisNode[] = [];
  #started = 0;

  constructor(keeper: Keeper, binary: string, cli: string, options: ClusterOptions) {
    this.#keeper = keeper;
    this.#binary = binary;
    this.#cli = cli;
    this.#options = options;
  }

  /** All of them, also the ones that do not run. */
  get nodes(): readonly RedisNode[] {
    return [...this.#nodes];
  }

  /** Where a client can ask for the others. */
  get startupNodes(): { host: string; port: number }[] {
    return this.#nodes.map(({ host, port }) => ({ host, port }));
  }

  /** Starts the nodes and makes a cluster of them. */
  async form(): Promise<void> {
    const { primaries = 3, replicas = 1 } = this.#options;
    const started = await Promise.allSettled(
      Array.from({ length: primaries * (1 + replicas) }, () => this.#startNode()),
    );
    for (const result of started) if (result.status === "rejected") throw result.reason;
    const args = ["create", ...this.#nodes.map(addressOf), "--cluster-replicas", String(replicas), "--cluster-yes"];
    await this.#manage(args, CREATE_TIMEOUT_MS);
    // A replica that has never got anything is not named to clients; this is something.
    await this.flushAll();
    await this.waitUntilOk();
  }

  /**
   * Resolves when the nodes that are live agree: their cluster is well, each slot is owned by one of them, and each replica
   * has all that its primary has, and is named to clients.
   */
  waitUntilOk(): Promise<void> {
    return waitUntilRight(async () => {
      const views = await this.#views();
      return whatIsWrong(new Map(Array.from(views, ([node, view]) => [node.port, view])));
    }, OK_TIMEOUT_MS);
  }

  /** Which node owns a slot now: of the live ones that say so, the one that was elected last. */
  async primaryOf(slot: number): Promise<RedisNode> {
    const primaries = await this.#primaries();
    const owners = primaries.filter(({ self }) => self.slots.some(([from, to]) => from <= slot && slot <= to));
    if (owners.length === 0) throw new Error(`No live node owns slot ${slot}.`);
    return owners.reduce((a, b) => (b.self.epoch > a.self.epoch ? b : a)).node;
  }

  /** Kills (`SIGKILL`) the node that owns a slot. */
  async killPrimaryOf(slot: number): Promise<RedisNode> {
    const node = await this.primaryOf(slot);
    await node.kill();
    return node;
  }

  /** Has a replica of the node that owns a slot take its place, without a loss, as before maintenance. Resolves which one. */
  async handOver(slot: number): Promise<RedisNode> {
    const primaryId = await idOf(await this.primaryOf(slot));
    const views = await this.#views();
    const successor = views.find(([{ port }, { nodes }]) => nodes.get(port)!.primaryId === primaryId)![0];
    await successor.call("CLUSTER", "FAILOVER");
    await waitUntilRight(async () => {
      const owner = await this.primaryOf(slot);
      return owner === successor ? undefined : `${owner.port} still owns slot ${slot}`;
    }, OK_TIMEOUT_MS);
    return successor;
  }

  /** Moves that many slots, with their keys, by `redis-cli --cluster reshard`, as people do. */
  async moveSlots(from: RedisNode, to: RedisNode, count: number): Promise<void> {
    // It refuses to begin where the nodes do not agree.
    await this.waitUntilOk();
    const [fromId, toId] = await Promise.all([idOf(from), idOf(to)]);
    const slots = ["--cluster-from", fromId, "--cluster-to", toId, "--cluster-slots", String(count), "--cluster-yes"];
    await this.#manage(["reshard", addressOf(to), ...slots], RESHARD_TIMEOUT_MS);
  }

  /** Moves a slot with its keys. @param between is called before, between and after the moves of some keys */
  async moveSlot(slot: number, to: RedisNode, between?: (move: SlotMove) => void | Promise<void>): Promise<void> {
    const from = await this.primaryOf(slot);
    const [fromId, toId] = await Promise.all([idOf(from), idOf(to)]);
    // In this order: where the old owner sends clients to, they are expected.
    await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    for (let moved = 0; ;) {
      await between?.({ moved, left: Number(await from.call("CLUSTER", "COUNTKEYSINSLOT", slot)) });
      const keys = (await from.call("CLUSTER", "GETKEYSINSLOT", slot, KEYS_AT_ONCE)) as string[];
      if (keys.length === 0) break;
      await from.call("MIGRATE", to.host, to.port, "", 0, MIGRATE_TIMEOUT_MS, "KEYS", ...keys);
      moved += keys.length;
    }
    // In this order: otherwise nobody would own it if the new owner were gone in between.
    await to.call("CLUSTER", "SETSLOT", slot, "NODE", toId);
    await from.call("CLUSTER", "SETSLOT", slot, "NODE", toId);
  }

  /** Starts an empty node and makes it part of the cluster, without slots. */
  async addPrimary(): Promise<RedisNode> {
    await this.waitUntilOk();
    const member = this.#live[0]!;
    const node = await this.#startNode();
    await this.#manage(["add-node", addressOf(node), addressOf(member)], CREATE_TIMEOUT_MS);
    await this.waitUntilOk();
    return node;
  }

  /** Removes all keys. */
  async flushAll(): Promise<void> {
    await Promise.all((await this.#primaries()).map(({ node }) => node.call("FLUSHALL")));
  }

  /** Kills all nodes and removes their folders; again: does nothing. */
  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()));
    await this.#keeper.close();
  }

  get #live(): RedisNode[] {
    return this.#nodes.filter((node) => node.isLive);
  }

  async #views(): Promise<[RedisNode, ClusterView][]> {
    return Promise.all(this.#live.map(async (node) => [node, await viewOf(node)]));
  }

  /** The live nodes that say that they are primaries, and what they say of themselves. */
  async #primaries(): Promise<{ node: RedisNode; self: NodeView }[]> {
    return (await this.#views())
      .map(([node, view]) => ({ node, self: view.nodes.get(node.port)! }))
      .filter(({ self }) => self.isPrimary);
  }

  /** Runs `redis-cli --cluster`. */
  async #manage(args: readonly string[], timeoutMs: number): Promise<void> {
    const all = ["--cluster", ...args];
    await expectOutput(this.#keeper.start(this.#cli, all), [this.#cli, ...all].join(" "), timeoutMs);
  }

  async #startNode(): Promise<RedisNode> {
    const { nodeTimeoutMs = 1000, args = [] } = this.#options;
    const node = await startNode({
      keeper: this.#keeper,
      binary: this.#binary,
      name: `node-${++this.#started}`,
      argsFor: (port) => [
        ...["--port", String(port), "--bind", "127.0.0.1"],
        // The one by default may be beyond the last port, or taken.
        ...["--cluster-enabled", "yes", "--cluster-port", String(randomPort())],
        ...["--cluster-config-file", "nodes.conf", "--cluster-node-timeout", String(nodeTimeoutMs)],
        ...SERVER_OPTIONS,
        ...args,
      ],
    });
    this.#nodes.push(node);
    return node;
  }
}

function addressOf({ host, port }: RedisNode): string {
  return `${host}:${port}`;
}

async function idOf(node: RedisNode): Promise<string> {
  return String(await node.call("CLUSTER", "MYID"));
}

/** What keeps the live nodes from being a whole cluster, by what they say; undefined if nothing does. */
function whatIsWrong(views: ReadonlyMap<number, ClusterView>): string | undefined {
  const agreed = new Set<string>();
  for (const [port, view] of views) {
    if (!view.isOk) return `the cluster fails, says ${port}`;
    if (!view.isInSync) return `${port} is not in sync with its primary`;
    const missing = [...views.keys()].find((other) => !view.nodes.get(other)?.isUp);
    if (missing !== undefined) return `${missing} is not up, says ${port}`;
    const unnamed = [...views.keys()].find((other) => !view.nodes.get(other)!.isPrimary && !view.named.has(other));
    if (unnamed !== undefined) return `${unnamed} is not named to clients by ${port}`;
    const owners = [...view.nodes.values()].filter(({ slots }) => slots.length > 0);
    const gone = owners.find((owner) => !views.has(owner.port));
    if (gone) return `${gone.port}, which is gone, owns slots, says ${port}`;
    const owned = owners.flatMap(({ slots }) => slots).reduce((sum, [from, to]) => sum + to - from + 1, 0);
    if (owned !== SLOTS) return `${owned} slots are owned, says ${port}`;
    agreed.add(summaryOf(view, [...views.keys()]));
  }
  if (agreed.size !== 1) return `the nodes do not agree:\n${[...agreed].join("\n")}`;
  return undefined;
}

/** Who is what, of the nodes at these ports. */
function summaryOf({ nodes }: ClusterView, ports: readonly number[]): string {
  return ports
    .map((port) => nodes.get(port)!)
    .map(({ port, primaryId, slots }) => `${port}: ${primaryId ?? "primary"} ${JSON.stringify(slots)}`)
    .join(", ");
}
