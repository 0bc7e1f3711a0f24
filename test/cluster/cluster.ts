import { once } from "node:events";
import type { ExecutionContext } from "ava";
import { WebSocket } from "ws";
import { startProcess, type NodeProcess } from "../support/process.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import type { BackendApi } from "./backend-process.js";
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
  startFrontend(config: Omit<FrontendProcessConfig, "url">): Promise<RunningFrontend>;
}

export async function startCluster(
  t: ExecutionContext,
  {
    frontends = 3,
    backends = 1,
    leaseMs = 1000,
    graceMs = 1000,
    without = [],
  }: {
    frontends?: number;
    backends?: number;
    leaseMs?: number;
    graceMs?: number;
    without?: readonly Protection[];
  } = {},
): Promise<RunningCluster> {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const startFrontend = async (config: Omit<FrontendProcessConfig, "url">): Promise<RunningFrontend> => {
    const process = await startProcess<FrontendApi>(new URL("frontend-process.ts", import.meta.url), {
      args: [JSON.stringify({ leaseMs, without, ...config, url: redis.url })],
    });
    t.teardown(() => process.kill());
    return { sid: config.sid, port: await process.call("start"), process };
  };
  const startBackend = async (): Promise<NodeProcess<BackendApi>> => {
    const process = await startProcess<BackendApi>(new URL("backend-process.ts", import.meta.url), {
      args: [JSON.stringify({ url: redis.url, graceMs })],
    });
    t.teardown(() => process.kill());
    await process.call("start");
    return process;
  };
  return {
    redis,
    frontends: await Promise.all(numbers(frontends).map((n) => startFrontend({ sid: `connector-${n}` }))),
    backends: await Promise.all(numbers(backends).map(() => startBackend())),
    startFrontend,
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

  static async connect(t: ExecutionContext, uid: string, frontend: RunningFrontend): Promise<Client> {
    const client = new Client(uid, frontend);
    t.teardown(() => client.#socket.terminate());
    await once(client.#socket, "open");
    return client;
  }

  of(route: string): unknown[] {
    return this.received.filter((message) => message.route === route).map(({ msg }) => msg);
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

/** Connects `perFrontend` clients to each frontend: `user-<sid>-<n>`. */
export async function connectClients(
  t: ExecutionContext,
  frontends: RunningFrontend[],
  perFrontend: number,
): Promise<Client[]> {
  const clients = frontends.flatMap((frontend) =>
    numbers(perFrontend).map((n) => Client.connect(t, `user-${frontend.sid}-${n}`, frontend)),
  );
  return Promise.all(clients);
}

export function memberships(name: string, clients: readonly Client[]): { name: string; uid: string; sid: string }[] {
  return clients.map(({ uid, sid }) => ({ name, uid, sid }));
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Tries again until `check` returns something true, or throws nothing; fails with what it last did. */
export async function eventually<T>(check: () => T | Promise<T>, withinMs: number): Promise<T> {
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
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
