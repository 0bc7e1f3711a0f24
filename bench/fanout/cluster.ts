import { Redis } from "ioredis";
import { type Api, type NodeProcess, startProcess } from "../../test/support/process.js";
import { startRedis } from "../../test/support/redis-server.js";
import type { ClientPlace, ClientsApi } from "../support/client-process.js";
import type { FrontendApi, FrontendConfig } from "../support/frontend-process.js";
import type { Load, LoadResult } from "../support/load.js";
import { sidsOf } from "../support/names.js";
import { type ProcessUsage, processUsageBetween } from "../support/process-usage.js";
import { membersOf } from "../support/pushes.js";
import { readRedisUsage, redisUsageBetween } from "../support/redis-usage.js";
import type { Scope } from "../support/scope.js";
import type { BackendApi } from "./backend-process.js";
import type { ContenderName } from "./contender.js";
import type { Sample } from "./sample.js";

/** Redis would cut off a frontend for which the original has more than 32 MB on the way. */
const REDIS_ARGS = ["--client-output-buffer-limit", "pubsub", "0", "0", "0"];

const CLIENT_PROCESSES = 2;

export interface ClusterOptions {
  frontends: number;
  clients: FrontendConfig["clients"];
  contenders: readonly ContenderName[];
}

/** Pushes to a channel with so many members. */
export interface Run {
  channel: string;
  members: number;
  load: Load;
}

interface StartedFrontend {
  process: NodeProcess<FrontendApi>;
  /** Where it accepts clients, if it does. */
  port: number | undefined;
}

/** Real processes on a Redis of their own: frontends, a backend for each contender, and clients. */
export class BenchCluster {
  readonly sids: readonly string[];
  readonly #redis: Redis;
  readonly #frontends: readonly StartedFrontend[];
  readonly #backends: ReadonlyMap<ContenderName, NodeProcess<BackendApi>>;
  readonly #clients: NodeProcess<ClientsApi>[] = [];
  readonly #scope: Scope;

  private constructor(
    scope: Scope,
    redis: Redis,
    sids: readonly string[],
    frontends: readonly StartedFrontend[],
    backends: ReadonlyMap<ContenderName, NodeProcess<BackendApi>>,
  ) {
    this.#scope = scope;
    this.#redis = redis;
    this.sids = sids;
    this.#frontends = frontends;
    this.#backends = backends;
  }

  /** Everything ends with `scope`. */
  static async start(scope: Scope, { frontends, clients, contenders }: ClusterOptions): Promise<BenchCluster> {
    const server = await startRedis({ args: REDIS_ARGS });
    scope.defer(() => server.stop());
    const { url } = server;
    const redis = new Redis(url);
    scope.defer(() => redis.disconnect());
    const sids = sidsOf(frontends);
    const startedFrontends = await Promise.all(
      sids.map(async (sid) => {
        const process = await start<FrontendApi>(scope, "../support/frontend-process.ts", { url, sid, clients });
        return { process, port: await process.call("start") };
      }),
    );
    const backends = new Map<ContenderName, NodeProcess<BackendApi>>();
    for (const contender of contenders) {
      const process = await start<BackendApi>(scope, "backend-process.ts", { url, contender, sids });
      await process.call("start");
      backends.set(contender, process);
    }
    return new BenchCluster(scope, redis, sids, startedFrontends, backends);
  }

  async fill(channel: string, members: number): Promise<void> {
    for (const backend of this.#backends.values()) await backend.call("fill", channel, members);
  }

  /** Connects a real client for each of the first `members` of every channel. */
  async connectClients(members: number): Promise<void> {
    const places: ClientPlace[] = membersOf(members, this.sids).map(({ uid, sid }) => ({
      uid,
      port: this.#frontends[this.sids.indexOf(sid)]!.port!,
    }));
    const share = Math.ceil(places.length / CLIENT_PROCESSES);
    for (let n = 0; n < CLIENT_PROCESSES; n++) {
      const clients = await start<ClientsApi>(this.#scope, "../support/client-process.ts");
      await clients.call("connect", places.slice(n * share, (n + 1) * share));
      this.#clients.push(clients);
    }
  }

  /**
   * Applies a load that is not measured. The processes are young: until they have handled some ten thousands of pushes, most of
   * what they do is not compiled to its final form, and costs three times as much.
   */
  async warmUp(contender: ContenderName, { channel, members, load }: Run): Promise<void> {
    await this.#run(contender, { channel, members, load });
  }

  /** Applies a load to one contender, and sees what it has cost whom. */
  async measure(contender: ContenderName, { channel, members, load }: Run): Promise<Sample> {
    const backend = this.#backends.get(contender)!;
    const ahead = { ...load, durationMs: load.durationMs / 5, maxCalls: Math.ceil(load.maxCalls / 5) };
    await this.#run(contender, { channel, members, load: ahead });
    const before = await this.#usages(backend);
    const result = await this.#run(contender, { channel, members, load });
    const after = await this.#usages(backend);
    const frontends = after.frontends.map((usage, index) => processUsageBetween(before.frontends[index]!, usage));
    const ofBackend = processUsageBetween(before.backend, after.backend);
    const errors = [...frontends, ofBackend].flatMap((usage) => usage.errors);
    if (errors.length > 0) throw new Error(`${contender}: ${errors.length} errors, such as ${errors[0]}`);
    const redis = redisUsageBetween(before.redis, after.redis);
    const each = (amount: number): number => amount / result.calls;
    return {
      ...result,
      perPush: {
        redisCalls: Object.fromEntries(Object.entries(redis.calls).map(([name, calls]) => [name, each(calls)])),
        redisBytesOut: each(redis.bytesOut),
        redisBytesIn: each(redis.bytesIn),
        backendBytesRead: each(ofBackend.bytesRead),
        backendBytesWritten: each(ofBackend.bytesWritten),
        backendCpuMs: each(ofBackend.cpuMs),
        frontendsCpuMs: each(frontends.reduce((sum, { cpuMs }) => sum + cpuMs, 0)),
        redisCpuMs: each(redis.cpuMs),
      },
    };
  }

  async #run(contender: ContenderName, { channel, members, load }: Run): Promise<LoadResult> {
    const backend = this.#backends.get(contender)!;
    const arrive = this.#clients.length > 0;
    if (arrive) {
      const port = await backend.call("listenForArrivals");
      await Promise.all(this.#clients.map((clients) => clients.call("reportTo", port)));
    }
    // A contender that does not know members counts none.
    return backend.call("run", channel, contender === "raw" ? 0 : members, load, { arrive });
  }

  async #usages(backend: NodeProcess<BackendApi>) {
    const frontends: ProcessUsage[] = await Promise.all(this.#frontends.map(({ process }) => process.call("usage")));
    return { frontends, backend: await backend.call("usage"), redis: await readRedisUsage(this.#redis) };
  }
}

async function start<A extends Api>(scope: Scope, file: string, config?: object): Promise<NodeProcess<A>> {
  const child = await startProcess<A>(new URL(file, import.meta.url), {
    ...(config && { args: [JSON.stringify(config)] }),
  });
  scope.defer(() => child.kill());
  return child;
}
