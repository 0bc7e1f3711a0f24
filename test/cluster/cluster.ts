import { once } from "node:events";
import type { ExecutionContext } from "ava";
import { WebSocket } from "ws";
import { type Api, startProcess, type NodeProcess } from "../support/process.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import type { BackendApi, BackendProcessConfig } from "./backend-process.js";
import type { FrontendApi, FrontendProcessConfig } from "./frontend-process.js";
import type { Protection } from "./without.js";

export interface RunningFrontend {
  sid: string;
  port: number;
  process: NodeProcess<FrontendApi>;
}

/** A cluster of real processes on a real Redis, all of which end with the test. */
export interface RunningCluster {
  redis: RedisServer;
  frontends: RunningFrontend[];
  backends: NodeProcess<BackendApi>[];
  startFrontend(config: Omit<FrontendProcessConfig, "url"> & HostOptions): Promise<RunningFrontend>;
  startBackend(config?: Omit<BackendProcessConfig, "url"> & HostOptions): Promise<NodeProcess<BackendApi>>;
}

/** What ends when a test does, or something else that has begun it. */
export type Owner = Pick<ExecutionContext, "teardown">;

interface HostOptions {
  /** How far the clock of the process's host is ahead, in milliseconds. @default 0 */
  clockShiftMs?: number;
  /** The port of its way to Redis, where that is not a direct one. */
  redisPort?: number;
}

interface ClusterOptions extends Pick<FrontendProcessConfig, "hasNamedSessions">, Pick<HostOptions, "clockShiftMs"> {
  frontends?: number;
  backends?: number;
  leaseMs?: number;
  graceMs?: number;
  /** @default that of the product */
  reapIntervalMs?: number;
  leaveDelayMs?: number;
  countsEvents?: boolean;
  without?: readonly Protection[];
}

/** What users get who set nothing. */
export const DEFAULTS = { leaseMs: 3000, graceMs: 10_000 };

const SHIFT_CLOCK = new URL("../chaos/shift-clock.ts", import.meta.url);

export async function startCluster(
  owner: Owner,
  {
    frontends = 3,
    backends = 1,
    leaseMs = DEFAULTS.leaseMs,
    graceMs = DEFAULTS.graceMs,
    hasNamedSessions = false,
    without = [],
    clockShiftMs = 0,
    ...rest
  }: ClusterOptions = {},
): Promise<RunningCluster> {
  const redis = await startRedis();
  owner.teardown(() => redis.stop());
  const start = async <A extends Api>(
    file: string,
    { clockShiftMs: shiftMs = clockShiftMs, redisPort = redis.port, ...config }: HostOptions,
  ): Promise<NodeProcess<A>> => {
    const process = await startProcess<A>(new URL(file, import.meta.url), {
      args: [JSON.stringify({ without, ...config, url: `redis://${redis.host}:${redisPort}` })],
      ...(shiftMs !== 0 && { imports: [SHIFT_CLOCK], env: { CHAOS_CLOCK_MS: String(shiftMs) } }),
    });
    owner.teardown(() => process.kill());
    return process;
  };
  const startFrontend: RunningCluster["startFrontend"] = async (config) => {
    const all = { leaseMs, hasNamedSessions, ...config };
    const process = await start<FrontendApi>("frontend-process.ts", all);
    return { sid: config.sid, port: await process.call("start"), process };
  };
  const startBackend: RunningCluster["startBackend"] = async (config = {}) => {
    const all = { graceMs, ...rest, ...config };
    const process = await start<BackendApi>("backend-process.ts", all);
    await process.call("start");
    return process;
  };
  return {
    redis,
    frontends: await Promise.all(numbers(frontends).map((n) => startFrontend({ sid: `connector-${n}` }))),
    backends: await Promise.all(numbers(backends).map(() => startBackend())),
    startFrontend,
    startBackend,
  };
}

/** A real WebSocket client that keeps what it gets. */
export class Client {
  readonly received: { route: string; msg: unknown }[] = [];
  readonly uid: string;
  readonly sid: string;
  readonly #socket: WebSocket;

  constructor(uid: string, { sid, port }: Pick<RunningFrontend, "sid" | "port">) {
    this.uid = uid;
    this.sid = sid;
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/?uid=${encodeURIComponent(uid)}`);
    this.#socket.on("message", (data: Buffer) => this.received.push(JSON.parse(data.toString())));
    // A frontend that is killed resets its connections.
    this.#socket.on("error", () => {});
  }

  static async connect(owner: Owner, uid: string, frontend: Pick<RunningFrontend, "sid" | "port">): Promise<Client> {
    const client = new Client(uid, frontend);
    owner.teardown(() => client.#socket.terminate());
    await once(client.#socket, "open");
    return client;
  }

  of(route: string): unknown[] {
    return this.received.filter((message) => message.route === route).map(({ msg }) => msg);
  }

  /** Resolves when the connection is gone, whoever has ended it. */
  async closed(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.CLOSED) await once(this.#socket, "close");
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

/** Connects `perFrontend` clients to each frontend: `user-<sid>-<n>`. */
export async function connectClients(
  owner: Owner,
  frontends: RunningFrontend[],
  perFrontend: number,
): Promise<Client[]> {
  const clients = frontends.flatMap((frontend) =>
    numbers(perFrontend).map((n) => Client.connect(owner, `user-${frontend.sid}-${n}`, frontend)),
  );
  return Promise.all(clients);
}

export function memberships(name: string, clients: readonly Client[]): { name: string; uid: string; sid: string }[] {
  return clients.map(({ uid, sid }) => ({ name, uid, sid }));
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Tries again, `everyMs`, until `check` returns something true, or throws nothing; fails with what it last did. */
export async function eventually<T>(check: () => T | Promise<T>, withinMs: number, everyMs = 20): Promise<T> {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    let failure: unknown = new Error(`still not so after ${withinMs} ms: ${check.toString()}`);
    try {
      const result = await check();
      if (result) return result;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > giveUpAt) throw failure;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
