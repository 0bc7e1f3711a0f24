import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { findRedis, type FoundRedis } from "./find-redis.js";
import { Keeper } from "./programs.js";
import { SERVER_OPTIONS, startNode, type RedisNode } from "./redis-node.js";
import { waitUntilRight } from "./wait-until-right.js";

const NAME = "globalchannel";

/**
 * How often a Sentinel does what, in ms: a fraction of the periods by default, so that tests need not wait. It connects to
 * a new primary within a ping period, which has to be less than {@link SentinelOptions.downAfterMs}: otherwise it takes the
 * new one for gone, too. And it asks replicas for news every second at most, which may be 5 ping periods old.
 */
const PERIODS = {
  "ping-period": 500,
  "ask-period": 500,
  "publish-period": 500,
  "info-period": 1000,
  "tilt-period": 3000,
};

const OK_TIMEOUT_MS = 60_000;

export interface SentinelOptions {
  /** @default 2 */
  replicas?: number;
  /** More than half of them have to agree that the primary is gone. @default 3 */
  sentinels?: number;
  /** After how long without an answer a Sentinel takes a node for gone; more than 500. @default 1000 */
  downAfterMs?: number;
  /** A failover that did not succeed is tried again after twice this time. @default 5000 */
  failoverTimeoutMs?: number;
  /** Further arguments of the servers that keep the data. */
  args?: readonly string[];
  /** The server program, of all of them. @default what {@link findRedis} finds */
  program?: FoundRedis;
}

/**
 * Starts an empty Redis with replicas on 127.0.0.1 that keeps no data on disk, and Sentinels that watch over it, and waits
 * until they know all. It dies, and its folder goes, with the process that started it, even if that is killed;
 * {@link RedisSentinel.stop} it all the same, since a process does not end by itself while it has one.
 */
export async function startSentinel(options: SentinelOptions = {}): Promise<RedisSentinel> {
  const { program, ...rest } = options;
  const { binary } = program ?? (await findRedis());
  const keeper = new Keeper(await mkdtemp(join(tmpdir(), "globalchannel-sentinel-")));
  const sentinel = new RedisSentinel(keeper, binary, rest);
  try {
    await sentinel.form();
    return sentinel;
  } catch (error) {
    await sentinel.stop();
    throw error;
  }
}

/** A Redis that Sentinels watch over, all started by this process. */
export class RedisSentinel {
  /** What the Sentinels call it. */
  readonly name = NAME;
  readonly #keeper: Keeper;
  readonly #binary: string;
  readonly #options: Required<Omit<SentinelOptions, "program">>;
  readonly #nodes: RedisNode[] = [];
  readonly #sentinelNodes: RedisNode[] = [];

  constructor(keeper: Keeper, binary: string, options: Omit<SentinelOptions, "program">) {
    this.#keeper = keeper;
    this.#binary = binary;
    this.#options = { replicas: 2, sentinels: 3, downAfterMs: 1000, failoverTimeoutMs: 5000, args: [], ...options };
  }

  /** The servers that keep the data, also the ones that do not run. The first was the first primary. */
  get nodes(): readonly RedisNode[] {
    return [...this.#nodes];
  }

  /** Where a client can ask for the primary. */
  get sentinels(): { host: string; port: number }[] {
    return this.#sentinelNodes.map(({ host, port }) => ({ host, port }));
  }

  get sentinelNodes(): readonly RedisNode[] {
    return [...this.#sentinelNodes];
  }

  /** Starts all. */
  async form(): Promise<void> {
    const { replicas, sentinels } = this.#options;
    const first = await this.#startServer("primary", []);
    const replicaOf = ["--replicaof", first.host, String(first.port)];
    await all(Array.from({ length: replicas }, (_, i) => this.#startServer(`replica-${i + 1}`, replicaOf)));
    // Before the Sentinels, since they ask the primary for its replicas every 10 s only.
    await waitUntilRight(() => this.#whatIsWrongWithReplicas(first), OK_TIMEOUT_MS);
    await all(Array.from({ length: sentinels }, (_, i) => this.#startSentinel(`sentinel-${i + 1}`, first)));
    await this.waitUntilOk();
  }

  /**
   * Resolves when the Sentinels that are live agree, the primary that they name is one, they know that all other live nodes
   * are its replicas, and these have all that it has. A former primary becomes a replica more than 2 s after it came back.
   */
  waitUntilOk(): Promise<void> {
    return waitUntilRight(async () => {
      const primary = await this.primary();
      return (await this.#whatSentinelsMiss(primary, true)) ?? this.#whatIsWrongWithReplicas(primary);
    }, OK_TIMEOUT_MS);
  }

  /** The node that is the primary now, as the Sentinel says that knows of the last failover. */
  async primary(): Promise<RedisNode> {
    const states = await Promise.all(this.#liveSentinels.map((sentinel) => this.#askForPrimary(sentinel)));
    if (states.length === 0) throw new Error("No Sentinel is live.");
    const { port } = states.reduce((a, b) => (b.epoch > a.epoch ? b : a));
    return this.#nodes.find((node) => node.port === port)!;
  }

  /** Kills (`SIGKILL`) the primary. */
  async killPrimary(): Promise<RedisNode> {
    const node = await this.primary();
    await node.kill();
    return node;
  }

  /** Makes the primary hang (`SIGSTOP`). */
  async pausePrimary(): Promise<RedisNode> {
    const node = await this.primary();
    node.pause();
    return node;
  }

  /** Has another node made the primary, though this one is well; see {@link RedisSentinel.waitForFailover}. */
  async failover(): Promise<void> {
    // They give it up where one of them does not know yet that a former primary is a replica.
    await this.waitUntilOk();
    const [sentinel] = this.#liveSentinels;
    await sentinel!.call("SENTINEL", "FAILOVER", NAME);
  }

  /** Resolves, with it, when another node than the one at this port is the primary, and all live Sentinels know that. */
  async waitForFailover(oldPort: number): Promise<RedisNode> {
    await waitUntilRight(async () => {
      const primary = await this.primary();
      if (primary.port === oldPort) return `${oldPort} is the primary`;
      return this.#whatSentinelsMiss(primary, false);
    }, OK_TIMEOUT_MS);
    return this.primary();
  }

  /** Kills all and removes the folders; again: does nothing. */
  async stop(): Promise<void> {
    await Promise.all([...this.#sentinelNodes, ...this.#nodes].map((node) => node.kill()));
    await this.#keeper.close();
  }

  get #liveSentinels(): RedisNode[] {
    return this.#sentinelNodes.filter((node) => node.isLive);
  }

  async #startServer(name: string, further: readonly string[]): Promise<RedisNode> {
    const node = await startNode({
      keeper: this.#keeper,
      binary: this.#binary,
      name,
      argsFor: (port) => [
        ...["--port", String(port), "--bind", "127.0.0.1"],
        ...SERVER_OPTIONS,
        ...further,
        ...this.#options.args,
      ],
    });
    this.#nodes.push(node);
    return node;
  }

  async #startSentinel(name: string, primary: RedisNode): Promise<void> {
    const { sentinels, downAfterMs, failoverTimeoutMs, replicas } = this.#options;
    const node = await startNode({
      keeper: this.#keeper,
      binary: this.#binary,
      name,
      ready: /Sentinel ID is/,
      setUp: (sentinel) => sentinel.call("SENTINEL", "DEBUG", ...Object.entries(PERIODS).flat()),
      argsFor: async (port, folder) => {
        // A Sentinel needs a file: it writes there what it finds out.
        const file = join(folder, "sentinel.conf");
        const lines = [
          `port ${port}`,
          "bind 127.0.0.1",
          `sentinel monitor ${NAME} ${primary.host} ${primary.port} ${Math.floor(sentinels / 2) + 1}`,
          `sentinel down-after-milliseconds ${NAME} ${downAfterMs}`,
          `sentinel failover-timeout ${NAME} ${failoverTimeoutMs}`,
          `sentinel parallel-syncs ${NAME} ${Math.max(1, replicas)}`,
        ];
        await writeFile(file, lines.map((line) => `${line}\n`).join(""));
        return [file, "--sentinel"];
      },
    });
    this.#sentinelNodes.push(node);
  }

  async #askForPrimary(sentinel: RedisNode) {
    const fields = await fieldsOf(sentinel, "MASTER");
    return {
      port: Number(fields[0]!.get("port")),
      flags: fields[0]!.get("flags"),
      epoch: Number(fields[0]!.get("config-epoch")),
    };
  }

  /** What the live Sentinels do not know. @param replicas whether they have to know the replicas */
  async #whatSentinelsMiss(primary: RedisNode, replicas: boolean): Promise<string | undefined> {
    const live = this.#liveSentinels;
    const problems = live.map(async (sentinel) => {
      const { port, flags } = await this.#askForPrimary(sentinel);
      if (port !== primary.port) return `${port} is the primary, not ${primary.port}`;
      if (flags !== "master") return `the primary is ${flags}`;
      const others = await fieldsOf(sentinel, "SENTINELS");
      const missing = live.find((other) => other !== sentinel && !isAmong(others, other));
      if (missing) return `the Sentinel ${missing.port} is not there`;
      const known = replicas ? await fieldsOf(sentinel, "REPLICAS") : [];
      const inSync = { "role-reported": "slave", "master-port": String(primary.port), "master-link-status": "ok" };
      const lost = replicas && this.#replicasOf(primary).find((node) => !isAmong(known, node, inSync));
      return lost ? `the replica ${lost.port} is not there, or not in sync` : undefined;
    });
    const wrong = (await Promise.all(problems)).findIndex((problem) => problem !== undefined);
    return wrong === -1 ? undefined : `${(await problems[wrong])!}, says ${live[wrong]!.port}`;
  }

  async #whatIsWrongWithReplicas(primary: RedisNode): Promise<string | undefined> {
    const role = (await primary.info("INFO", "replication")).get("role");
    if (role !== "master") return `the primary ${primary.port} is a ${role}`;
    for (const node of this.#replicasOf(primary)) {
      const replication = await node.info("INFO", "replication");
      if (Number(replication.get("master_port")) !== primary.port) return `${node.port} is no replica of it`;
      if (replication.get("master_link_status") !== "up") return `${node.port} is not in sync with the primary`;
    }
    return undefined;
  }

  #replicasOf(primary: RedisNode): RedisNode[] {
    return this.#nodes.filter((node) => node !== primary && node.isLive);
  }
}

/** Waits for all of them, also where one fails, so that none goes on unseen. */
async function all(tasks: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === "rejected") throw result.reason;
}

/** What a Sentinel says of the primary, of the other Sentinels or of the replicas, of each by name. */
async function fieldsOf(sentinel: RedisNode, of: "MASTER" | "SENTINELS" | "REPLICAS"): Promise<Map<string, string>[]> {
  const answer = (await sentinel.call("SENTINEL", of, NAME)) as string[] | string[][];
  return (of === "MASTER" ? [answer as string[]] : (answer as string[][])).map((flat) => {
    const names = flat.filter((_, i) => i % 2 === 0);
    return new Map(names.map((name, i) => [name, flat[2 * i + 1]!]));
  });
}

/** Whether a node is known, and well, and its other fields are these. */
function isAmong(known: readonly Map<string, string>[], { port }: RedisNode, others: Record<string, string> = {}) {
  const expected = Object.entries({ port: String(port), ...others });
  return known.some((fields) => {
    const isWell = !/s_down|o_down|disconnected/.test(fields.get("flags")!);
    return isWell && expected.every(([name, value]) => fields.get(name) === value);
  });
}
