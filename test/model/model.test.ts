import { randomUUID } from "node:crypto";
import test from "ava";
import * as fc from "fast-check";
import { memory, type Cluster } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { startRedisCluster } from "../support/redis-cluster.js";
import { startRedis } from "../support/redis-server.js";
import { agree, commands, SIDS } from "./commands.js";
import { Model } from "./model.js";
import { World } from "./world.js";

/** Random sequences of everything that users and servers do, each beside the model. A failure prints its seed and path. */
async function holds(makeCluster: () => Cluster, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 60, size: "max" }), async (sequence) => {
      const world = new World(makeCluster());
      await world.start(SIDS);
      try {
        const model = new Model();
        await fc.asyncModelRun(() => ({ model, real: world }), sequence);
        await agree(model, world);
      } finally {
        await world.stop();
      }
    }),
    { numRuns },
  );
}

test("in memory, any sequence of calls, sessions and restarts is what the model says", async (t) => {
  await t.notThrowsAsync(holds(memory, 150));
});

test("on Redis, any sequence of calls, sessions and restarts is what the model says", async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());

  await t.notThrowsAsync(holds(() => redis(server.url, { prefix: randomUUID() }), 60));
});

test("on a Redis Cluster, any sequence of calls, sessions and restarts is what the model says", async (t) => {
  const servers = await startRedisCluster({ replicas: 0 });
  t.teardown(() => servers.stop());

  await t.notThrowsAsync(holds(() => redis({ cluster: servers.startupNodes }, { prefix: randomUUID() }), 30));
});
