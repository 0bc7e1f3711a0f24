import type { NodeProcess } from "../../test/support/process.js";
import type { FrontendApi, FrontendConfig } from "../cluster/frontend-process.js";
import { startChild } from "../support/child.js";
import type { Load } from "../support/load.js";
import { processUsageBetween } from "../support/process-usage.js";
import { type Profiled, profiled } from "../support/profiling.js";
import { startRedisStore } from "../support/redis-store.js";
import type { Scope } from "../support/scope.js";
import { cpuMsOf } from "../support/server-cpu.js";
import { startMysqlStore } from "./mysql-store.js";
import type { PushApi, PushConfig } from "./push-process.js";
import { SIDS } from "./sids.js";

const BACKEND = new URL("push-process.ts", import.meta.url);
const FRONTEND = new URL("../cluster/frontend-process.ts", import.meta.url);

export const PUSHERS = ["memory", "redis", "redis + mysql"] as const;
export type PusherName = (typeof PUSHERS)[number];

/** What pushes have cost, each. */
export interface PushSample {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  backendCpuMs: number;
  /** Undefined where they are in the process of the backend. */
  frontendsCpuMs: number | undefined;
  /** Of all server programs; undefined where there is none, or the system does not tell. */
  storesCpuMs: number | undefined;
}

/** A backend, its frontends, and what they need. */
export class PushCluster {
  readonly #name: PusherName;
  readonly #backend: NodeProcess<PushApi>;
  readonly #frontends: readonly NodeProcess<FrontendApi>[];
  readonly #storePids: readonly number[];

  private constructor(
    name: PusherName,
    backend: NodeProcess<PushApi>,
    frontends: readonly NodeProcess<FrontendApi>[],
    storePids: readonly number[],
  ) {
    this.#name = name;
    this.#backend = backend;
    this.#frontends = frontends;
    this.#storePids = storePids;
  }

  /** Resolves undefined where there is no MySQL, and it needs one. Everything ends with `scope`. */
  static async start(scope: Scope, name: PusherName): Promise<PushCluster | undefined> {
    const mysql = name === "redis + mysql" ? await startMysqlStore(scope) : undefined;
    if (name === "redis + mysql" && !mysql) return undefined;
    const redis = name === "memory" ? undefined : await startRedisStore(scope);
    const mysqlUrl = await mysql?.createUrl();
    const urls = redis && { redis: redis.url, mysql: mysqlUrl };
    const backend = await startChild<PushApi>(scope, BACKEND, { ...(urls && { urls }) } satisfies PushConfig);
    // It creates the tables.
    await backend.call("start");
    const frontends = await Promise.all(
      (redis ? SIDS : []).map((sid) => startFrontend(scope, redis!.url, mysqlUrl, sid)),
    );
    return new PushCluster(
      name,
      backend,
      frontends,
      [redis, mysql].filter((store) => store !== undefined).map(({ pid }) => pid),
    );
  }

  fill(members: number): Promise<void> {
    return this.#backend.call("fill", members);
  }

  /** @param joins whether each push follows an add to the same channel */
  async push(load: Load, joins: boolean): Promise<PushSample> {
    const before = await this.#usages();
    const { calls, perSecond, p50Ms, p99Ms } = await profiled(this.#profiled(load, joins), () =>
      this.#backend.call("run", load, { joins }),
    );
    const after = await this.#usages();
    const [backend, ...frontends] = after.processes.map((usage, index) =>
      processUsageBetween(before.processes[index]!, usage),
    );
    const errors = [backend!, ...frontends].flatMap((usage) => usage.errors);
    if (errors.length > 0) throw new Error(`${errors.length} errors, such as ${errors[0]}`);
    const stores = after.stores.map((ms, index) => (ms ?? NaN) - (before.stores[index] ?? NaN));
    const storesCpuMs = sum(stores) / calls;
    return {
      perSecond,
      p50Ms,
      p99Ms,
      backendCpuMs: backend!.cpuMs / calls,
      frontendsCpuMs: frontends.length > 0 ? sum(frontends.map(({ cpuMs }) => cpuMs)) / calls : undefined,
      storesCpuMs: stores.length > 0 && !Number.isNaN(storesCpuMs) ? storesCpuMs : undefined,
    };
  }

  #profiled({ window }: Load, joins: boolean): Profiled {
    const [frontend] = this.#frontends;
    return {
      contender: this.#name,
      cell: `push,${joins ? "each after an add," : ""}${window}`,
      processes: { backend: this.#backend, ...(frontend && { frontend }) },
    };
  }

  async #usages() {
    return {
      processes: await Promise.all([this.#backend, ...this.#frontends].map((process) => process.call("usage"))),
      stores: await Promise.all(this.#storePids.map(cpuMsOf)),
    };
  }
}

async function startFrontend(
  scope: Scope,
  url: string,
  mysql: string | undefined,
  sid: string,
): Promise<NodeProcess<FrontendApi>> {
  const config: FrontendConfig = {
    url,
    sid,
    clients: "none",
    receivers: ["globalchannel"],
    ...(mysql !== undefined && { mysql }),
  };
  const frontend = await startChild<FrontendApi>(scope, FRONTEND, config);
  await frontend.call("start");
  return frontend;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
