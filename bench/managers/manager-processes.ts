import type { NodeProcess } from "../../test/support/process.js";
import { startChild } from "../support/child.js";
import { sampleRun } from "../support/call-run.js";
import type { Sample } from "../support/call-sample.js";
import type { Load } from "../support/load.js";
import type { Profilees } from "../support/profiling.js";
import type { Contest } from "../support/rounds.js";
import { startRedisStore } from "../support/redis-store.js";
import type { Scope } from "../support/scope.js";
import { CONTENDERS, type ContenderName, STORES } from "./contender.js";
import type { ManagerApi, ManagerConfig } from "./manager-process.js";
import type { OperationName } from "./operations.js";
import { startMysqlStore } from "./mysql-store.js";

interface Started {
  process: NodeProcess<ManagerApi>;
  /** The process of its store, if it has one. */
  storePid: number | undefined;
}

const PROCESS = new URL("manager-process.ts", import.meta.url);

/** All contenders, each in a process of its own, and their stores. */
export class ManagerProcesses implements Contest<OperationName, ContenderName> {
  readonly #started: ReadonlyMap<ContenderName, Started>;

  private constructor(started: ReadonlyMap<ContenderName, Started>) {
    this.#started = started;
  }

  /** Everything ends with `scope`. */
  static async start(scope: Scope): Promise<ManagerProcesses> {
    const [redis, mysql] = await Promise.all([startRedisStore(scope), startMysqlStore(scope)]);
    const started = await Promise.all(
      CONTENDERS.filter((contender) => mysql || STORES[contender] !== "mysql").map(async (contender) => {
        const store = STORES[contender];
        const url = store === "mysql" ? await mysql!.createUrl() : redis.url;
        const storePid = store === "mysql" ? mysql!.pid : store === "redis" ? redis.pid : undefined;
        const process = await startChild<ManagerApi>(scope, PROCESS, { contender, url } satisfies ManagerConfig);
        await process.call("start");
        return [contender, { process, storePid }] as const;
      }),
    );
    return new ManagerProcesses(new Map(started));
  }

  /** Puts in what the reads are to find. */
  async fill(): Promise<void> {
    for (const { process } of this.#started.values()) await process.call("fill");
  }

  /** Those that can do all of this, in the order in which they take turns. */
  async able(...operations: OperationName[]): Promise<ContenderName[]> {
    const able: ContenderName[] = [];
    for (const [contender, { process }] of this.#started) {
      const answers = await Promise.all(operations.map((operation) => process.call("can", operation)));
      if (answers.every(Boolean)) able.push(contender);
    }
    return able;
  }

  run(contender: ContenderName, operation: OperationName, load: Load): Promise<Sample> {
    const { process, storePid } = this.#started.get(contender)!;
    return sampleRun(() => process.call("run", operation, load), storePid);
  }

  profilees(contender: ContenderName): Profilees {
    return { process: this.#started.get(contender)!.process };
  }
}
