import type { NodeProcess } from "../../test/support/process.js";
import { startChild } from "../support/child.js";
import { sampleRun } from "../support/call-run.js";
import type { Sample } from "../support/call-sample.js";
import type { Load } from "../support/load.js";
import type { Profilees } from "../support/profiling.js";
import { startRedisStore, type Store } from "../support/redis-store.js";
import type { Contest } from "../support/rounds.js";
import type { Scope } from "../support/scope.js";
import { CONTENDERS, type ContenderName } from "./contender.js";
import { expectNoErrors, startFrontends, withFrontends } from "./frontends.js";
import type { FrontendsApi } from "./frontends-process.js";
import type { MembersApi, MembersConfig } from "./members-process.js";
import type { OperationName } from "./operations.js";
import { SIDS, USERS, USERS_SID } from "./places.js";

/** Longer than the default: a frontend that an overloaded machine delays is alive, and renewals are no part of a call. */
const LEASE_MS = 600_000;

const PROCESS = new URL("members-process.ts", import.meta.url);

/** All contenders, each in a process of its own, and the frontends that ours is asked about, on one Redis. */
export class MembersProcesses implements Contest<OperationName, ContenderName> {
  readonly #redis: Store;
  readonly #frontends: NodeProcess<FrontendsApi>;
  readonly #contenders: ReadonlyMap<ContenderName, NodeProcess<MembersApi>>;

  private constructor(
    redis: Store,
    frontends: NodeProcess<FrontendsApi>,
    contenders: ReadonlyMap<ContenderName, NodeProcess<MembersApi>>,
  ) {
    this.#redis = redis;
    this.#frontends = frontends;
    this.#contenders = contenders;
  }

  /** Everything ends with `scope`. */
  static async start(scope: Scope): Promise<MembersProcesses> {
    const redis = await startRedisStore(scope);
    const { url } = redis;
    const frontends = await startFrontends(scope, { url, sids: SIDS, leaseMs: LEASE_MS });
    await frontends.call("open", USERS_SID, USERS);
    const contenders = new Map<ContenderName, NodeProcess<MembersApi>>();
    for (const contender of CONTENDERS) {
      const process = await startChild<MembersApi>(scope, PROCESS, { contender, url } satisfies MembersConfig);
      await process.call("start");
      await process.call("fill");
      contenders.set(contender, process);
    }
    return new MembersProcesses(redis, frontends, contenders);
  }

  /** All of them can do everything. */
  able(): Promise<ContenderName[]> {
    return Promise.resolve([...this.#contenders.keys()]);
  }

  run(contender: ContenderName, operation: OperationName, load: Load): Promise<Sample> {
    const process = this.#contenders.get(contender)!;
    const run = () => sampleRun(() => process.call("run", operation, load), this.#redis.pid);
    return contender === "globalchannel" ? this.#withFrontends(run) : run();
  }

  /** Sees what a run costs the frontends, too, which only ours has: they hear of each change. */
  async #withFrontends(run: () => Promise<Sample>): Promise<Sample> {
    const { result: sample, cpuMs } = await withFrontends(this.#frontends, run);
    return { ...sample, frontendsCpuMsPerCall: cpuMs / sample.calls };
  }

  profilees(contender: ContenderName): Profilees {
    return { process: this.#contenders.get(contender)! };
  }

  /** @throws if something went wrong at the frontends meanwhile */
  check(): Promise<void> {
    return expectNoErrors(this.#frontends);
  }
}
