import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { chunks } from "../../src/batches.js";
import { type Api, type NodeProcess, startProcess } from "../../test/support/process.js";
import { startRedis } from "../../test/support/redis-server.js";
import type { ContenderName } from "../contenders/contender.js";
import { acknowledges, RECEIVER_OF, type ReceiverName } from "../contenders/index.js";
import type { Load } from "../support/load.js";
import { sidsOf } from "../support/names.js";
import { type ProcessUsage, processUsageBetween } from "../support/process-usage.js";
import { readRedisUsage, redisUsageBetween } from "../support/redis-usage.js";
import type { Scope } from "../support/scope.js";
import type { BackendApi, BackendRun } from "./backend-process.js";
import { channelMembers, channelName, type Channels } from "./channels.js";
import type { ClientsApi } from "./client-process.js";
import type { FrontendApi, FrontendConfig, Ports } from "./frontend-process.js";
import { latenciesOf } from "./latencies.js";
import type { Sample } from "./sample.js";

/** Redis would cut off a frontend for which the original has more than 32 MB on the way. */
const REDIS_ARGS = ["--client-output-buffer-limit", "pubsub", "0", "0", "0"];

const CLIENT_PROCESSES = 2;

/** How many processes begin at the same time. */
const STARTING = 8;

/** How long the last message may take to come. */
const ARRIVAL_TIMEOUT_MS = 60_000;
const POLL_MS = 5;
/** How long a contender may take until its messages come to all frontends, and for how long one is waited for. */
const READY_TIMEOUT_MS = 20_000;
const PROBE_MS = 200;

export interface ClusterOptions {
  frontends: number;
  clients: FrontendConfig["clients"];
  contenders: readonly ContenderName[];
}

/** Pushes to channels. */
export interface Run {
  channels: Channels;
  load: Load;
}

interface StartedFrontend {
  process: NodeProcess<FrontendApi>;
  ports: Ports;
}

/** Real processes on a Redis of their own: frontends, a backend for each contender, and clients. */
export class BenchCluster {
  readonly #scope: Scope;
  readonly #redis: Redis;
  readonly #sids: readonly string[];
  readonly #frontends: readonly StartedFrontend[];
  readonly #backends: ReadonlyMap<ContenderName, NodeProcess<BackendApi>>;
  readonly #clients = new Map<ReceiverName, readonly NodeProcess<ClientsApi>[]>();

  private constructor(
    scope: Scope,
    redis: Redis,
    sids: readonly string[],
    frontends: readonly StartedFrontend[],
    backends: ReadonlyMap<ContenderName, NodeProcess<BackendApi>>,
  ) {
    this.#scope = scope;
    this.#redis = redis;
    this.#sids = sids;
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
    const receivers = [...new Set(contenders.map((contender) => RECEIVER_OF[contender]))];
    const startedFrontends: StartedFrontend[] = [];
    for (const some of chunks(sids, STARTING)) {
      const started = some.map(async (sid) => {
        const config: FrontendConfig = { url, sid, clients, receivers };
        const process = await start<FrontendApi>(scope, "frontend-process.ts", config);
        return { process, ports: await process.call("start") };
      });
      startedFrontends.push(...(await Promise.all(started)));
    }
    const backends = new Map<ContenderName, NodeProcess<BackendApi>>();
    for (const contender of contenders) {
      const process = await start<BackendApi>(scope, "backend-process.ts", { url, contender, sids });
      await process.call("start");
      backends.set(contender, process);
    }
    return new BenchCluster(scope, redis, sids, startedFrontends, backends);
  }

  /** Makes members. Where there are no clients, waits until what each contender pushes to them comes to all frontends. */
  async fill(channels: Channels): Promise<void> {
    for (const backend of this.#backends.values()) await backend.call("fill", channels);
    await Promise.all(this.#frontends.map(({ process }) => process.call("fill", channels, this.#sids)));
    if (this.#hasPorts()) return;
    for (const contender of this.#backends.keys()) await this.#ready(contender, channelName(channels, 0));
  }

  /** Connects a real client for each member of the channels, for each contender that has clients. */
  async connectClients(channels: Channels): Promise<void> {
    const members = channelMembers(channels, this.#sids);
    const share = Math.ceil(members.length / CLIENT_PROCESSES);
    for (const receiver of Object.keys(this.#frontends[0]!.ports) as ReceiverName[]) {
      const processes: NodeProcess<ClientsApi>[] = [];
      for (const some of chunks(members, share)) {
        const clients = await start<ClientsApi>(this.#scope, "client-process.ts");
        const places = some.map(({ uid, sid }) => ({
          uid,
          port: this.#frontends[this.#sids.indexOf(sid)]!.ports[receiver]!,
        }));
        await clients.call("connect", places);
        processes.push(clients);
      }
      this.#clients.set(receiver, processes);
    }
  }

  /**
   * Applies a load that is not measured. The processes are young: until they have handled some ten thousands of pushes, most of
   * what they do is not compiled to its final form, and costs three times as much.
   */
  async warmUp(contender: ContenderName, run: Run): Promise<void> {
    await this.#run(contender, run);
  }

  /** Applies a load to one contender, and sees what it has cost whom. */
  async measure(contender: ContenderName, run: Run): Promise<Sample> {
    const { load } = run;
    const backend = this.#backends.get(contender)!;
    const ahead = { ...load, durationMs: load.durationMs / 5, maxCalls: Math.ceil(load.maxCalls / 5) };
    await this.#run(contender, { ...run, load: ahead });
    const before = await this.#usages(backend);
    const result = await this.#run(contender, run);
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

  #run(contender: ContenderName, run: Run): Promise<Omit<Sample, "perPush">> {
    const clients = this.#clients.get(RECEIVER_OF[contender]);
    return clients ? this.#runToClients(contender, run, clients) : this.#runToFrontends(contender, run);
  }

  /** A push ends when all clients have it. */
  async #runToClients(
    contender: ContenderName,
    { channels, load }: Run,
    clients: readonly NodeProcess<ClientsApi>[],
  ): Promise<Omit<Sample, "perPush">> {
    const backend = this.#backends.get(contender)!;
    const port = await backend.call("listenForArrivals");
    await Promise.all(clients.map((process) => process.call("reportTo", port)));
    const { sent, ...result } = await backend.call("run", channels, load, { arrive: true });
    return result;
  }

  /**
   * A push ends when the contender says so. Of those that acknowledge nothing, Redis has it then: the run ends when the last
   * message is at all frontends; and where one push is to be outstanding, frontends tell what they have got.
   */
  async #runToFrontends(contender: ContenderName, { channels, load }: Run): Promise<Omit<Sample, "perPush">> {
    const backend = this.#backends.get(contender)!;
    const arrive = load.window === 1 && !acknowledges(contender);
    await this.#begin(arrive ? await backend.call("listenForArrivals") : undefined);
    const result = await backend.call("run", channels, load, { arrive });
    return { ...result, ...(await this.#arrivalOf(contender, result)) };
  }

  async #arrivalOf(contender: ContenderName, { sent, calls, elapsedMs }: BackendRun) {
    if (!(await this.#haveCome(calls, ARRIVAL_TIMEOUT_MS))) {
      throw new Error(`${contender}: not all of ${calls} messages have come to all frontends`);
    }
    const received = await Promise.all(this.#frontends.map(({ process }) => process.call("recording")));
    const { lastAt, histogram } = latenciesOf(sent, received);
    const untilLastMs = Math.max(elapsedMs, lastAt - sent.times[0]!);
    return {
      elapsedMs: untilLastMs,
      perSecond: (calls / untilLastMs) * 1000,
      p50Ms: histogram.percentileMs(50),
      p99Ms: histogram.percentileMs(99),
    };
  }

  /** Subscriptions and polls of some contenders begin at their own time. */
  async #ready(contender: ContenderName, channel: string): Promise<void> {
    const backend = this.#backends.get(contender)!;
    for (const endAt = Date.now() + READY_TIMEOUT_MS; Date.now() < endAt;) {
      await this.#begin();
      await backend.call("probe", channel);
      if (await this.#haveCome(1, PROBE_MS)) return;
    }
    throw new Error(`${contender}: no message comes to all frontends`);
  }

  #hasPorts(): boolean {
    return this.#frontends.some(({ ports }) => Object.keys(ports).length > 0);
  }

  async #begin(port?: number): Promise<void> {
    await Promise.all(this.#frontends.map(({ process }) => process.call("begin", port)));
  }

  /** Whether so many messages come to each frontend in time. */
  async #haveCome(count: number, timeoutMs: number): Promise<boolean> {
    for (const endAt = Date.now() + timeoutMs; ;) {
      const counts = await Promise.all(this.#frontends.map(({ process }) => process.call("count")));
      if (counts.every((received) => received >= count)) return true;
      if (Date.now() >= endAt) return false;
      await sleep(POLL_MS);
    }
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
