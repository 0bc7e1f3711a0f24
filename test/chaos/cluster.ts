import { startProcess, type Api, type NodeProcess } from "../support/process.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import type { BackendApi, BackendConfig } from "./backend-process.js";
import type { ClientApi } from "./client-process.js";
import type { FrontendApi } from "./frontend-process.js";
import type { Life } from "./history.js";
import { Host } from "./host.js";
import { indices } from "./plan.js";
import { Random } from "./random.js";
import type { Settings } from "./settings.js";

/** How far a host's clock is off, where it is. */
const CLOCKS_MS = [0, 60_000, -60_000];

/** The processes of a run, on a Redis of their own. */
export class ChaosCluster {
  readonly redis: RedisServer;
  readonly clients: NodeProcess<ClientApi>;
  readonly lives: Life[] = [];
  readonly frontends: Host<FrontendApi, number>[] = [];
  readonly backends: Host<BackendApi, void>[] = [];
  /** A backend that nothing is done to, and that is asked for nothing: it sees every event, and removes what others leave. */
  #witness: Host<BackendApi, void> | undefined;
  readonly #settings: Settings;
  /** The sid of each frontend host: another one after a frontend was replaced. */
  readonly #sids: string[] = [];
  #lastSid = 0;

  static async start(settings: Settings): Promise<ChaosCluster> {
    const redis = await startRedis();
    try {
      const clients = await startProcess<ClientApi>(new URL("client-process.ts", import.meta.url));
      const cluster = new ChaosCluster(settings, redis, clients);
      await cluster.#start().catch(async (error: unknown) => {
        await cluster.stop();
        throw error;
      });
      return cluster;
    } catch (error) {
      await redis.stop();
      throw error;
    }
  }

  private constructor(settings: Settings, redis: RedisServer, clients: NodeProcess<ClientApi>) {
    this.#settings = settings;
    this.redis = redis;
    this.clients = clients;
  }

  /** The frontends that are started now. */
  get liveFrontends() {
    return this.frontends.flatMap(({ live }) => live ?? []);
  }

  /** The backends that are started now, the witness first. */
  get liveBackends() {
    return [this.#witness?.live ?? [], ...this.backends.map(({ live }) => live ?? [])].flat();
  }

  startFrontend(index: number, sidStays = true): Promise<void> {
    const sid = (sidStays && this.#sids[index]) || `sid-${++this.#lastSid}`;
    this.#sids[index] = sid;
    return this.frontends[index]!.start(sid, { leaseMs: this.#settings.leaseMs }, sid);
  }

  startBackend(index: number): Promise<void> {
    return this.backends[index]!.start(`backend-${index + 1}`, this.#backendConfig);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.close()));
    await this.clients.kill();
    await this.redis.stop();
  }

  get #hosts() {
    return [...this.frontends, ...this.backends, ...(this.#witness ? [this.#witness] : [])];
  }

  get #backendConfig(): Omit<BackendConfig, "url"> {
    const { timeoutMs, graceMs, reapIntervalMs } = this.#settings;
    return { timeoutMs, graceMs, reapIntervalMs };
  }

  async #start(): Promise<void> {
    const { frontends, backends } = this.#settings;
    const openBackend = (index: number) =>
      this.#open<BackendApi, void>("backend", index, (process) => process.call("start"));
    for (const index of indices(frontends)) {
      this.frontends.push(await this.#open<FrontendApi, number>("frontend", index, (process) => process.call("start")));
    }
    for (const index of indices(backends)) this.backends.push(await openBackend(index));
    this.#witness = await openBackend(backends);
    await Promise.all([
      ...indices(frontends).map((index) => this.startFrontend(index)),
      ...indices(backends).map((index) => this.startBackend(index)),
      this.#witness.start("witness", this.#backendConfig),
    ]);
  }

  #open<A extends Api, S>(role: Life["role"], index: number, join: (process: NodeProcess<A>) => Promise<S>) {
    const { seed, only, sabotage } = this.#settings;
    const random = new Random(seed, `clocks of ${role} ${index}`);
    return Host.open<A, S>({
      role,
      file: new URL(`${role}-process.ts`, import.meta.url),
      redisPort: this.redis.port,
      join,
      imports: sabotage,
      born: (life) => this.lives.push(life),
      nextClockMs: () => (only.includes("clock") ? random.pick(CLOCKS_MS) : 0),
    });
  }
}
