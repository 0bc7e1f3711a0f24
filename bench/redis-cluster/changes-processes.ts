import type { Redis } from "ioredis";
import type { NodeProcess } from "../../test/support/process.js";
import { expectNoErrors, startFrontends, withFrontends } from "../members/frontends.js";
import type { FrontendsApi } from "../members/frontends-process.js";
import { startChild } from "../support/child.js";
import type { Load } from "../support/load.js";
import type { Profilees } from "../support/profiling.js";
import { startRedisServers } from "../support/redis-servers.js";
import { readRedisUsages, serversUsageBetween } from "../support/redis-usage.js";
import type { Contest } from "../support/rounds.js";
import type { Scope } from "../support/scope.js";
import type { ChangesApi, ChangesConfig } from "./changes-process.js";
import type { OperationName } from "./operations.js";
import { SIDS } from "./places.js";
import { primariesOf, type RedisName } from "./redises.js";
import type { OperationSample } from "./result.js";

/** Longer than the default: a frontend that an overloaded machine delays is alive, and renewals are no part of a call. */
const LEASE_MS = 600_000;

const PROCESS = new URL("changes-process.ts", import.meta.url);

interface Started {
  servers: readonly Redis[];
  frontends: NodeProcess<FrontendsApi>;
  backend: NodeProcess<ChangesApi>;
}

/** For each Redis a backend, and the frontends in a process of their own. */
export class ChangesProcesses implements Contest<OperationName, RedisName, OperationSample> {
  readonly #started: ReadonlyMap<RedisName, Started>;

  private constructor(started: ReadonlyMap<RedisName, Started>) {
    this.#started = started;
  }

  /** Everything ends with `scope`. */
  static async start(scope: Scope, redises: readonly RedisName[]): Promise<ChangesProcesses> {
    const started = new Map<RedisName, Started>();
    for (const name of redises) {
      const { url, clients: servers } = await startRedisServers(scope, { primaries: primariesOf(name) });
      const frontends = await startFrontends(scope, { url, sids: SIDS, leaseMs: LEASE_MS });
      const backend = await startChild<ChangesApi>(scope, PROCESS, { url } satisfies ChangesConfig);
      await backend.call("start");
      await backend.call("fill");
      started.set(name, { servers, frontends, backend });
    }
    return new ChangesProcesses(started);
  }

  /** Everything can be done on all of them. */
  able(): Promise<RedisName[]> {
    return Promise.resolve([...this.#started.keys()]);
  }

  async run(name: RedisName, operation: OperationName, load: Load): Promise<OperationSample> {
    const { servers, frontends, backend } = this.#started.get(name)!;
    const before = await readRedisUsages(servers);
    const { result, cpuMs } = await withFrontends(frontends, () => backend.call("run", operation, load));
    const redis = serversUsageBetween(before, await readRedisUsages(servers));
    const each = (amount: number): number => amount / result.calls;
    return {
      ...result,
      perCall: {
        backendCpuMs: each(result.cpuMs),
        frontendsCpuMs: each(cpuMs),
        redisCpuMs: each(redis.cpuMs),
        busiestRedisCpuMs: each(redis.busiestCpuMs),
        redisCalls: Object.fromEntries(Object.entries(redis.calls).map(([command, calls]) => [command, each(calls)])),
      },
    };
  }

  profilees(name: RedisName): Profilees {
    return { backend: this.#started.get(name)!.backend };
  }

  /** @throws if something went wrong at the frontends meanwhile */
  async check(): Promise<void> {
    for (const { frontends } of this.#started.values()) await expectNoErrors(frontends);
  }
}
