import { setTimeout as sleep } from "node:timers/promises";

import { Redis } from "ioredis";

import { monotonicMs } from "../support/monotonic.js";
import { pause } from "../support/pause.js";
import type { ChaosCluster } from "./cluster.js";
import type { Fault } from "./history.js";
import type { PlannedFault } from "./plan.js";

/** The chance that a killed frontend comes back under the same sid. */
const SID_STAYS = 0.6;

/** Does to a cluster what was planned, and undoes it. */
export class Nemesis {
  readonly faults: Fault[] = [];
  readonly #cluster: ChaosCluster;

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  /** Resolves when all is done and healed. */
  async run(planned: readonly PlannedFault[], startAt: number): Promise<void> {
    await Promise.all(
      planned.map(async (fault) => {
        await sleep(startAt + fault.at - monotonicMs());
        await (fault.target.role === "redis" ? this.#hitRedis(fault) : this.#hitHost(fault, fault.target));
      }),
    );
  }

  /** Notes what is done to a target, from before it begins until after it is over. */
  async #note(kind: string, target: string, action: () => Promise<unknown>): Promise<void> {
    const fault = { kind, target, from: monotonicMs(), to: Infinity };
    this.faults.push(fault);
    await action();
    fault.to = monotonicMs();
  }

  async #hitHost(fault: PlannedFault, { role, index }: { role: "frontend" | "backend"; index: number }): Promise<void> {
    const { kind, ms, detail } = fault;
    const host = role === "frontend" ? this.#cluster.frontends[index]! : this.#cluster.backends[index]!;
    // The one before may have taken longer than planned.
    if (!host.live) return;
    const { proxy } = host;
    const start = (sidStays: boolean) =>
      role === "frontend" ? this.#cluster.startFrontend(index, sidStays) : this.#cluster.startBackend(index);
    await this.#note(kind, host.live.life.id, async () => {
      switch (kind) {
        case "kill-frontend":
        case "kill-backend":
          await host.kill();
          await sleep(ms);
          await start(detail < SID_STAYS * 1000);
          return;
        case "roll-frontend":
          // Where it cannot reach Redis it cannot leave well, and others clean up after it.
          await this.#cluster.frontends[index]!.stop((process) => process.call("stop").catch(() => {}));
          await sleep(ms);
          await start(true);
          return;
        case "replace-frontend":
          await host.replace(ms, () => start(true));
          return;
        case "stop-frontend":
        case "stop-backend":
          await host.pause(ms);
          return;
        case "cut":
          proxy.cut();
          return;
        case "delay":
          proxy.delay(10 + (detail % 200));
          break;
        case "hold":
          proxy.hold();
          break;
        case "half-open":
          proxy.hold([detail % 2 === 0 ? "requests" : "answers"]);
          break;
        case "vanish":
          proxy.vanish();
          break;
        case "refuse":
          proxy.refuse();
          proxy.cut();
          break;
        default:
          throw new Error(`${kind} is not for a ${role}`);
      }
      await sleep(ms);
      proxy.heal();
    });
  }

  async #hitRedis({ kind, ms, detail }: PlannedFault): Promise<void> {
    const { redis } = this.#cluster;
    await this.#note(kind, "redis", async () => {
      switch (kind) {
        case "kill-redis":
          await redis.kill();
          await sleep(ms);
          await redis.restart();
          return;
        case "stop-redis":
          await pause(redis.pid!, ms);
          return;
        case "flush":
          await command(redis.url, (client) => client.flushall());
          return;
        case "kill-clients":
          await command(redis.url, (client) =>
            client.call("CLIENT", "KILL", "TYPE", detail % 2 === 0 ? "pubsub" : "normal"),
          );
          return;
        default:
          throw new Error(`${kind} is not for Redis`);
      }
    });
  }
}

/** Runs one command on a connection of its own. */
export async function command<T>(url: string, run: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { maxRetriesPerRequest: 3 });
  client.on("error", () => {});
  try {
    return await run(client);
  } finally {
    client.disconnect();
  }
}
