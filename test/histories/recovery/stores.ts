import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cluster, memory } from "../../../src/index.js";
import { redis } from "../../../src/redis/index.js";
import { findRedis } from "../../support/find-redis.js";
import { Keeper } from "../../support/programs.js";
import { type RedisCluster, startRedisCluster } from "../../support/redis-cluster.js";
import { type RedisNode, startNode } from "../../support/redis-node.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import type { Random } from "../../chaos/random.js";
import { type FaultKind, PATTERNS } from "./settings.js";

/** Where a run's cluster is, and what can be done to that. */
export interface Store {
  /** How a process reaches it: by the same way each time. */
  cluster(process: string): Cluster;
  /** Resolves when it is over. */
  inflict(fault: FaultKind, random: Random): Promise<void>;
  stop(): Promise<void>;
}

export function memoryStore(): Store {
  const cluster = memory({ history: PATTERNS });
  return { cluster: () => cluster, inflict: async () => {}, stop: async () => {} };
}

export async function clusterStore(): Promise<Store> {
  const servers: RedisCluster = await startRedisCluster({ replicas: 0 });
  const prefix = randomUUID();
  return {
    cluster: () => redis({ cluster: servers.startupNodes }, { prefix, history: PATTERNS }),
    inflict: async (fault) => {
      if (fault === "flush") await servers.flushAll();
    },
    stop: () => servers.stop(),
  };
}

/** How long after its snapshot a server goes back to it, in milliseconds. */
const SNAPSHOT_AGE_MS = [50, 500] as const;
const HOLD_MS = [50, 2500] as const;

/** One Redis, which writes each command to its disk before it answers, and a way of its own to that for each process. */
export async function redisStore(): Promise<Store> {
  const { binary } = await findRedis();
  const keeper = new Keeper(await mkdtemp(join(tmpdir(), "globalchannel-recovery-")));
  const folder = join(keeper.folder, "redis");
  const configFile = join(folder, "redis.conf");
  const configure = (appends: boolean): Promise<void> =>
    writeFile(configFile, `appendonly ${appends ? "yes" : "no"}\n`);
  const node = await startNode({
    keeper,
    binary,
    name: "redis",
    argsFor: async (port) => {
      await configure(true);
      return [configFile, "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendfsync", "always"];
    },
  });
  const prefix = randomUUID();
  const proxies = new Map<string, TcpProxy>();
  // Connections are made later than that.
  const proxyTo = async (process: string): Promise<void> => void proxies.set(process, await TcpProxy.start(node.port));
  await Promise.all(["service-0", "service-1", "s1", "s2", "s3"].map(proxyTo));
  const faults = new RedisFaults(node, folder, configure, proxies);
  return {
    cluster: (process) =>
      redis(`redis://127.0.0.1:${proxies.get(process)?.port ?? node.port}`, { prefix, history: PATTERNS }),
    inflict: (fault, random) => faults.inflict(fault, random),
    stop: async () => {
      await Promise.all([...proxies.values()].map((proxy) => proxy.stop()));
      await node.kill();
      await keeper.close();
    },
  };
}

class RedisFaults {
  readonly #node: RedisNode;
  readonly #folder: string;
  readonly #configure: (appends: boolean) => Promise<void>;
  readonly #proxies: ReadonlyMap<string, TcpProxy>;

  constructor(
    node: RedisNode,
    folder: string,
    configure: (appends: boolean) => Promise<void>,
    proxies: ReadonlyMap<string, TcpProxy>,
  ) {
    this.#node = node;
    this.#folder = folder;
    this.#configure = configure;
    this.#proxies = proxies;
  }

  async inflict(fault: FaultKind, random: Random): Promise<void> {
    const proxy = random.pick([...this.#proxies.values()]);
    switch (fault) {
      case "flush":
        await this.#node.call("FLUSHALL");
        return;
      case "keep-all":
        await this.#node.kill();
        await this.#node.start();
        return;
      case "lose-all":
        await this.#node.kill();
        await this.#removeLog();
        await this.#node.start();
        return;
      case "go-back":
        await this.#node.call("SAVE");
        await sleep(random.integer(...SNAPSHOT_AGE_MS));
        await this.#node.kill();
        await this.#goBack();
        return;
      case "cut":
        for (const link of proxy.links) if (random.chance(0.7)) link.cut();
        return;
      case "hold":
        proxy.hold(random.pick([["answers"], ["requests", "answers"]] as const));
        await sleep(random.integer(...HOLD_MS));
        proxy.heal();
        return;
      default:
    }
  }

  async #goBack(): Promise<void> {
    await this.#removeLog();
    await this.#configure(false);
    await this.#node.start();
    // The log begins with what the snapshot had.
    await this.#node.call("CONFIG", "SET", "appendonly", "yes");
    await this.#configure(true);
    await rm(join(this.#folder, "dump.rdb"), { force: true });
  }

  async #removeLog(): Promise<void> {
    await rm(join(this.#folder, "appendonlydir"), { recursive: true, force: true });
  }
}
