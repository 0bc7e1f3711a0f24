import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { chunks } from "../../src/batches.js";
import type { NodeProcess } from "../../test/support/process.js";
import { startRedis } from "../../test/support/redis-server.js";
import type { ContenderName } from "../contenders/contender.js";
import { acknowledges, protocolOf, RECEIVER_OF, type ReceiverName } from "../contenders/index.js";
import { LatencyHistogram } from "../support/histogram.js";
import type { Load, LoadResult } from "../support/load.js";
import { startChild } from "../support/child.js";
import { sidsOf } from "../support/names.js";
import { type ProcessUsage, processUsageBetween } from "../support/process-usage.js";
import { type Profiled, profiled } from "../support/profiling.js";
import { readRedisUsage, redisUsageBetween } from "../support/redis-usage.js";
import type { Scope } from "../support/scope.js";
import { ARRIVAL_TIMEOUT_MS } from "./arrivals.js";
import type { BackendApi } from "./backend-process.js";
import { channelMembers, channelName, type Channels } from "./channels.js";
import type { ClientsApi } from "./client-process.js";
import type { FrontendApi, FrontendConfig, Ports } from "./frontend-process.js";
import { type Latencies, latenciesOf } from "./latencies.js";
import type { RateRun, RateSample } from "./rate-sample.js";
import type { Recording } from "./recorder.js";
import type { Sample } from "./sample.js";

/** Redis would cut off a frontend for which the original has more than 32 MB on the way. */
const REDIS_ARGS = ["--client-output-buffer-limit", "pubsub", "0", "0", "0"];

const [FRONTEND, BACKEND, CLIENTS] = ["frontend", "backend", "client"].map(
  (kind) => new URL(`${kind}-process.ts`, import.meta.url),
) as [URL, URL, URL];

const CLIENT_PROCESSES = 2;

/** How many processes begin at the same time. */
const STARTING = 8;

const POLL_MS = 5;
/** How long a contender may take until its messages come to all, and for how long one is waited for. */
const READY_TIMEOUT_MS = 20_000;
const PROBE_MS = 200;
/** The first message may take long to thousands of clients, and must not come in the middle of what follows. */
const CLIENTS_PROBE_MS = 5000;

export interface ClusterOptions {
  frontends: number;
  clients: FrontendConfig["clients"];
  contenders: readonly ContenderName[];
}

/** Pushes to channels. */
export interface Run {
  channels: Channels;
  load: Load;
  /** The share of a channel's members that is replaced before each push to it. @default 0 */
  churn?: number;
}

/** Processes that see messages come: frontends, or clients. */
type Witnesses = readonly NodeProcess<Pick<FrontendApi, "begin" | "count">>[];

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
        const process = await startChild<FrontendApi>(scope, FRONTEND, config);
        return { process, ports: await process.call("start") };
      });
      startedFrontends.push(...(await Promise.all(started)));
    }
    const backends = contenders.map(async (contender) => {
      const process = await startChild<BackendApi>(scope, BACKEND, { url, contender, sids });
      await process.call("start");
      return [contender, process] as const;
    });
    return new BenchCluster(scope, redis, sids, startedFrontends, new Map(await Promise.all(backends)));
  }

  /**
   * Makes members, for some contenders or all. Where there are no clients, waits until what each of them pushes to the members
   * comes to all frontends.
   */
  async fill(channels: Channels, contenders: readonly ContenderName[] = [...this.#backends.keys()]): Promise<void> {
    for (const contender of contenders) await this.#backends.get(contender)!.call("fill", channels);
    const receivers = contenders.map((contender) => RECEIVER_OF[contender]);
    await Promise.all(this.#frontends.map(({ process }) => process.call("fill", channels, this.#sids, receivers)));
    if (!this.#hasPorts()) await this.#allReady(channels, contenders);
  }

  /**
   * Connects a real client for each member of a channel, for each contender that has clients; call it after {@link fill}. Waits
   * until what each contender pushes comes to all of them.
   */
  async connectClients(channels: Channels): Promise<void> {
    const members = channelMembers(channels, this.#sids);
    const shares = chunks(members, Math.ceil(members.length / CLIENT_PROCESSES));
    for (const receiver of Object.keys(this.#frontends[0]!.ports) as ReceiverName[]) {
      const processes = shares.map(async (share) => {
        const clients = await startChild<ClientsApi>(this.#scope, CLIENTS);
        const places = share.map(({ uid, sid }) => ({
          uid,
          port: this.#frontends[this.#sids.indexOf(sid)]!.ports[receiver]!,
        }));
        await clients.call("connect", places, protocolOf(receiver));
        return clients;
      });
      this.#clients.set(receiver, await Promise.all(processes));
    }
    await this.#allReady(channels);
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
    let after = before;
    const result = await profiled(this.#profiled(contender, run.channels, `${load.window}`), () =>
      this.#run(contender, run, async () => void (after = await this.#usages(backend))),
    );
    const frontends = after.frontends.map((usage, index) => processUsageBetween(before.frontends[index]!, usage));
    const ofBackend = processUsageBetween(before.backend, after.backend);
    checkErrors(contender, [...frontends, ofBackend]);
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

  /** Pushes at a fixed rate, and compares when pushes were due with when they came. Where there are no clients. */
  async measureAtRate(contender: ContenderName, run: RateRun): Promise<RateSample> {
    const { rate } = run;
    await this.#runAtRate(contender, { ...run, rate: { ...rate, durationMs: rate.durationMs / 5 } });
    const profile = this.#profiled(contender, run.channels, `${rate.perSecond} a second`);
    return profiled(profile, () => this.#runAtRate(contender, run));
  }

  async #runAtRate(contender: ContenderName, { channels, rate }: RateRun): Promise<RateSample> {
    const backend = this.#backends.get(contender)!;
    await this.#begin();
    const { sent, lateMs, isCutShort } = await backend.call("runAtRate", channels, rate);
    await this.#allCome(contender, sent.numbers.length);
    const { lastAt, histogram } = await this.#latenciesOf(sent);
    const processes = [backend, ...this.#frontends.map(({ process }) => process)];
    // What they have reported since they began: nothing is to go wrong at any time.
    checkErrors(contender, await Promise.all(processes.map((process) => process.call("usage"))));
    const lateness = new LatencyHistogram();
    for (const late of lateMs) lateness.record(late);
    return {
      pushes: sent.numbers.length,
      latencies: histogram,
      lateness,
      trailMs: lastAt - sent.times.at(-1)!,
      isCutShort,
    };
  }

  /** With `--profile`: its backend, and one of the frontends, which all do the same. */
  #profiled(contender: ContenderName, { count, members }: Channels, load: string): Profiled {
    const channels = count > 1 ? `,${count} channels` : "";
    return {
      contender,
      cell: `S=${this.#frontends.length},N=${members}${channels},${load}`,
      processes: { backend: this.#backends.get(contender)!, frontend: this.#frontends[0]!.process },
    };
  }

  /** @param arrived is called when all has come, before what is only for the bench begins */
  #run(contender: ContenderName, run: Run, arrived = async () => {}): Promise<Omit<Sample, "perPush">> {
    const clients = this.#clients.get(RECEIVER_OF[contender]);
    return clients
      ? this.#runToClients(contender, run, clients, arrived)
      : this.#runToFrontends(contender, run, arrived);
  }

  /** A push ends when all clients have it. Fails if a client has got one twice, or has gone. */
  async #runToClients(
    contender: ContenderName,
    { channels, load, churn = 0 }: Run,
    clients: readonly NodeProcess<ClientsApi>[],
    arrived: () => Promise<void>,
  ): Promise<Omit<Sample, "perPush">> {
    const backend = this.#backends.get(contender)!;
    await this.#begin(await backend.call("listenForArrivals"), clients);
    const running = backend.call("run", channels, load, { arrive: true, churn });
    // Where the run fails, the clients know more of what has not come.
    const { calls, elapsedMs, perSecond, p50Ms, p99Ms } = await running.catch(async (error: Error) => {
      await checkDeliveries(contender, clients, error);
      throw error;
    });
    await arrived();
    await checkDeliveries(contender, clients);
    return { calls, elapsedMs, perSecond, p50Ms, p99Ms, doneP50Ms: p50Ms };
  }

  /**
   * A push ends when the contender says so. Of those that acknowledge nothing, Redis has it then: the run ends when the last
   * message is at all frontends; and where one push is to be outstanding, frontends tell what they have got.
   */
  async #runToFrontends(
    contender: ContenderName,
    { channels, load, churn = 0 }: Run,
    arrived: () => Promise<void>,
  ): Promise<Omit<Sample, "perPush">> {
    const backend = this.#backends.get(contender)!;
    const arrive = load.window === 1 && !acknowledges(contender);
    await this.#begin(arrive ? await backend.call("listenForArrivals") : undefined);
    const result = await backend.call("run", channels, load, { arrive, churn });
    await this.#allCome(contender, result.calls);
    await arrived();
    return this.#arrivalOf(result, await backend.call("sent"));
  }

  async #arrivalOf({ calls, elapsedMs, p50Ms }: LoadResult, sent: Recording): Promise<Omit<Sample, "perPush">> {
    const { lastAt, histogram } = await this.#latenciesOf(sent);
    const untilLastMs = Math.max(elapsedMs, lastAt - sent.times[0]!);
    return {
      calls,
      doneP50Ms: p50Ms,
      elapsedMs: untilLastMs,
      perSecond: (calls / untilLastMs) * 1000,
      p50Ms: histogram.percentileMs(50),
      p99Ms: histogram.percentileMs(99),
    };
  }

  /** Waits until so many messages are at all frontends. */
  async #allCome(contender: ContenderName, count: number): Promise<void> {
    if (await this.#haveCome(count, ARRIVAL_TIMEOUT_MS)) return;
    throw new Error(`${contender}: not all of ${count} messages have come to all frontends`);
  }

  async #latenciesOf(sent: Recording): Promise<Latencies> {
    return latenciesOf(sent, await Promise.all(this.#frontends.map(({ process }) => process.call("recording"))));
  }

  async #allReady(channels: Channels, contenders: Iterable<ContenderName> = this.#backends.keys()): Promise<void> {
    for (const contender of contenders) await this.#ready(contender, channelName(channels, 0));
  }

  /** Subscriptions and polls of some contenders begin at their own time. */
  async #ready(contender: ContenderName, channel: string): Promise<void> {
    const backend = this.#backends.get(contender)!;
    const clients = this.#clients.get(RECEIVER_OF[contender]);
    const probeMs = clients ? CLIENTS_PROBE_MS : PROBE_MS;
    for (const endAt = Date.now() + READY_TIMEOUT_MS; Date.now() < endAt;) {
      await this.#begin(undefined, clients);
      await backend.call("probe", channel);
      if (await this.#haveCome(1, probeMs, clients)) return;
    }
    if (clients) await checkDeliveries(contender, clients);
    throw new Error(`${contender}: no message comes to all ${clients ? "clients" : "frontends"}`);
  }

  #hasPorts(): boolean {
    return this.#frontends.some(({ ports }) => Object.keys(ports).length > 0);
  }

  async #begin(port?: number, witnesses = this.#frontendProcesses()): Promise<void> {
    await Promise.all(witnesses.map((process) => process.call("begin", port)));
  }

  #frontendProcesses(): Witnesses {
    return this.#frontends.map(({ process }) => process);
  }

  /** Whether so many messages come to each of them in time. */
  async #haveCome(count: number, timeoutMs: number, witnesses = this.#frontendProcesses()): Promise<boolean> {
    for (const endAt = Date.now() + timeoutMs; ;) {
      const counts = await Promise.all(witnesses.map((process) => process.call("count")));
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

/** @throws where clients have not got every message once */
async function checkDeliveries(
  contender: ContenderName,
  clients: readonly NodeProcess<ClientsApi>[],
  cause?: Error,
): Promise<void> {
  const problems = await Promise.all(clients.map((process) => process.call("problem")));
  const problem = problems.find((found) => found !== undefined);
  if (problem !== undefined) throw new Error(`${contender}: ${problem}`, { cause });
}

/** @throws where processes have reported what no caller has waited for */
function checkErrors(contender: ContenderName, usages: readonly ProcessUsage[]): void {
  const errors = usages.flatMap((usage) => usage.errors);
  if (errors.length > 0) throw new Error(`${contender}: ${errors.length} errors, such as ${errors[0]}`);
}
