import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";

import { openRedis, startRedis } from "./redis-server.js";

async function startWithClient(t: ExecutionContext) {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const client = new Redis(redis.url);
  client.on("error", () => {});
  t.teardown(() => client.disconnect());
  return { redis, client };
}

test("startRedis › starts servers that listen on 127.0.0.1 only, each on a port of its own", async (t) => {
  const first = await startWithClient(t);
  const second = await startWithClient(t);

  t.deepEqual(await first.client.config("GET", "bind"), ["bind", "127.0.0.1"]);
  t.not(first.redis.port, second.redis.port);
});

test("startRedis › passes arguments on and names the ones that do not work", async (t) => {
  const redis = await startRedis({ args: ["--maxmemory", "8mb"] });
  t.teardown(() => redis.stop());
  const client = new Redis(redis.url);
  t.teardown(() => client.disconnect());

  t.deepEqual(await client.config("GET", "maxmemory"), ["maxmemory", String(8 * 1024 * 1024)]);
  await t.throwsAsync(startRedis({ args: ["--nonsense"] }), { message: /--nonsense did not start/ });
});

test("startRedis › refuses a given port that is taken", async (t) => {
  const { redis } = await startWithClient(t);

  await t.throwsAsync(startRedis({ port: redis.port }), { message: `port ${redis.port} is taken` });
});

for (const how of ["stop", "kill"] as const) {
  test(`${how} › ends it, also one that hangs; restart brings it back at the same port, empty`, async (t) => {
    const { redis, client } = await startWithClient(t);
    await client.set("key", "value");
    process.kill(redis.pid!, "SIGSTOP");

    await redis[how]();
    t.is(redis.pid, undefined);
    await redis[how]();
    await redis.restart();

    t.is(await client.get("key"), null);
  });
}

test.serial("openRedis › takes the Redis at REDIS_URL; startRedis never does", async (t) => {
  process.env["REDIS_URL"] = "redis://example.test";
  t.teardown(() => delete process.env["REDIS_URL"]);

  const opened = await openRedis(t.log);
  const started = await startRedis();
  t.teardown(() => started.stop());

  t.is(opened.url, "redis://example.test");
  t.is(started.host, "127.0.0.1");
});
