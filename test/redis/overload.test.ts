import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { GlobalChannelService } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { diagnosticsOf } from "../support/diagnostics.js";
import { startProcess } from "../support/process.js";
import { startRedis } from "../support/redis-server.js";
import type { OverloadApi } from "./overload-process.js";

// What is called for while Redis hangs (SIGSTOP) takes no more than so much memory, and says that it is refused.

/** By how much a backend may grow with 100,000 calls under way, of about 1.5 KB each. */
const MAX_GROWTH = 200 * 1024 * 1024;

/** A Redis that can be made to hang. */
async function startHangingRedis(t: ExecutionContext) {
  const server = await startRedis();
  t.teardown(() => server.stop());
  return {
    server,
    hang: () => void process.kill(server.pid!, "SIGSTOP"),
    goOn: () => void process.kill(server.pid!, "SIGCONT"),
  };
}

async function startBackend(t: ExecutionContext, options: { url: string; maxPendingCalls?: number }) {
  const backend = await startProcess<OverloadApi>(new URL("overload-process.ts", import.meta.url), {
    args: [JSON.stringify(options)],
  });
  t.teardown(() => backend.kill());
  await backend.call("start");
  return backend;
}

test.serial(
  "of 1,000,000 adds while Redis hangs 100,000 wait, and the others are refused and keep no memory",
  async (t) => {
    const { server, hang, goOn } = await startHangingRedis(t);
    const backend = await startBackend(t, { url: server.url });

    hang();
    const growth = await backend.call("addAll", 1_000_000);
    const { pending, outcomes, lags } = await backend.call("state");

    t.log(`100,000 calls under way: ${Math.round(growth / 1024 / 1024)} MB`);
    t.true(growth < MAX_GROWTH, `${growth} bytes`);
    t.is(pending, 100_000);
    t.deepEqual(outcomes, { GC_OVERLOADED: 900_000 });
    t.deepEqual(lags, [{ queue: "calls", limit: 100_000 }]);

    goOn();
    await eventually(async () => (await backend.call("state")).pending === 0, 20_000);
    t.deepEqual((await backend.call("state")).outcomes, { GC_OVERLOADED: 900_000, true: 100_000 });
    t.true(await backend.call("add", "late"));
    const client = new Redis(server.url);
    t.teardown(() => client.disconnect());
    t.is(await client.scard("gc:{room-7}:m:connector-1"), 100);
  },
);

test.serial("without that bound they take more memory than that", async (t) => {
  const { server, hang, goOn } = await startHangingRedis(t);
  const backend = await startBackend(t, { url: server.url, maxPendingCalls: 1e9 });

  hang();
  const growth = await backend.call("addAll", 400_000);

  t.true(growth > MAX_GROWTH, `${growth} bytes`);
  goOn();
});

test.serial(
  "pushes that were given up while Redis hangs are bounded by their size: they wait with it all the same",
  async (t) => {
    const { server, hang, goOn } = await startHangingRedis(t);
    // A client of the application, which waits for as long as Redis hangs.
    const client = new Redis(server.url);
    t.teardown(() => client.disconnect());
    const service = new GlobalChannelService({ cluster: redis(client), maxMessageBytes: 5_000_000 });
    await service.start();
    t.teardown(() => service.stop(true));
    const lags = diagnosticsOf(t, "globalchannel:lag");
    const msg = "x".repeat(4_000_000);
    const push = (timeoutMs: number) => service.pushMessage("connector", "chat", msg, "room", { timeoutMs });

    hang();
    const codes = await Promise.all(
      numbers(40).map(() => push(50).then(String, (error: { code: string }) => error.code)),
    );
    t.is(codes.filter((code) => code === "GC_TIMEOUT").length, 33);
    t.is(codes.filter((code) => code === "GC_OVERLOADED").length, 7);
    // None is under way any more.
    await t.throwsAsync(push(50), {
      code: "GC_OVERLOADED",
      message: /in characters: the limit of 134217728 is reached/,
    });
    t.deepEqual(
      lags.map(({ queue, limit }) => [queue, limit]),
      [["redis", 134_217_728]],
    );

    goOn();
    await eventually(async () => (await push(3000)).targeted === 0, 10_000);
  },
);
