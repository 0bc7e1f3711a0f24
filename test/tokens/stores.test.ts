import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { GlobalChannelService, memory } from "../../src/index.js";
import { redis, RedisConnection, RedisTokenStore } from "../../src/redis/index.js";
import { MemoryTokenStore } from "../../src/tokens/memory.js";
import type { TokenStore } from "../../src/types.js";
import { heapInUse } from "../support/heap.js";
import { CLIENTS } from "../support/redis-clients.js";
import { skipTime } from "../support/skip-time.js";
import { useStores } from "./stores.js";

// The contract of token stores, in each of ours.

const { one, stores, openStore } = useStores();

for (const [kind, make] of Object.entries(stores)) {
  test(`${kind}: a record is taken as it was put, once`, async (t) => {
    const store = await make(t)();
    const records = ["", "x", '{"a":1}\n\0', "日本 😀", "y".repeat(20_000)];

    for (const [index, record] of records.entries()) await store.put(`id ${index}{:}%`, record, 10_000);

    for (const [index, record] of records.entries()) {
      t.is(await store.take(`id ${index}{:}%`), record);
      t.is(await store.take(`id ${index}{:}%`), undefined);
    }
  });

  test(`${kind}: what was never put is not there`, async (t) => {
    const store = await make(t)();
    await store.put("a", "record of a", 10_000);

    t.is(await store.take("b"), undefined);
    t.is(await store.take("constructor"), undefined);
    t.is(await store.take("a"), "record of a");
  });

  test(`${kind}: what is put again is the later record`, async (t) => {
    const store = await make(t)();
    await store.put("a", "first", 10_000);
    await store.put("a", "second", 10_000);

    t.is(await store.take("a"), "second");
    t.is(await store.take("a"), undefined);
  });

  test(`${kind}: a record is there until its time is over, and not after that`, async (t) => {
    const store = await make(t)();
    await Promise.all([store.put("short", "x", 100), store.put("long", "y", 10_000), store.put("least", "z", 1)]);

    await sleep(20);
    t.is(await store.take("least"), undefined);
    await store.put("early", "x", 2000);
    t.is(await store.take("early"), "x");
    await sleep(100);
    t.is(await store.take("short"), undefined);
    t.is(await store.take("long"), "y");
  });

  test(`${kind}: of 100 who take a record at the same time, by several connections, exactly one gets it`, async (t) => {
    const open = make(t);
    const openStores = await Promise.all([open(), open(), open(), open()]);

    for (let round = 0; round < 20; round++) {
      await openStores[0].put(`id-${round}`, "record", 10_000);
      const taken = await Promise.all(
        Array.from({ length: 100 }, async (_value, index) => openStores[index % 4]!.take(`id-${round}`)),
      );
      t.deepEqual(
        taken.filter((record) => record !== undefined),
        ["record"],
      );
    }
  });
}

test("memory: more than 64 Mi characters, some for each record itself, cost the oldest", (t) => {
  const store = new MemoryTokenStore();
  for (let index = 0; index <= 120_000; index++) store.put(`${index}`, "x", 60_000);
  t.is(store.take("0"), undefined);
  t.is(store.take("20000"), "x");

  const large = "y".repeat(1024 * 1024);
  for (let index = 0; index < 70; index++) store.put(`large ${index}`, large, 60_000);
  t.is(store.take("120000"), undefined);
  t.is(store.take("large 5"), undefined);
  t.is(store.take("large 69"), large);
});

test.serial("memory: a store that has no records takes no room for them", (t) => {
  const before = heapInUse();
  const made = Array.from({ length: 200 }, () => new MemoryTokenStore());
  const each = (heapInUse() - before) / made.length;
  t.true(each < 20_000, `${each} bytes each`);
});

test.serial("memory: the time of a record is that of the monotonic clock", (t) => {
  const store = new MemoryTokenStore();
  for (const id of ["a", "b", "c"]) store.put(id, "x", 60_000);
  skipTime(t, 59_000);
  t.is(store.take("a"), "x");

  const { now } = Date;
  Date.now = () => now() + 3_600_000;
  t.teardown(() => (Date.now = now));
  t.is(store.take("b"), "x");

  skipTime(t, 1001);
  t.is(store.take("c"), undefined);
});

for (const [kind, makeClient] of Object.entries(CLIENTS)) {
  test(`redis: the same with an injected client of ${kind}`, async (t) => {
    const client = makeClient({ ...one.address, db: 3 });
    t.teardown(() => client.disconnect());
    const prefix = randomUUID();
    const store = await openStore(t, new RedisConnection(client, { prefix }));

    await store.put("a", "record", 10_000);

    t.is(await one.admin.exists(`${prefix}:tok:a`), 0);
    t.is(await client.call("EXISTS", `${prefix}:tok:a`), 1);
    t.is(await store.take("a"), "record");
    t.is(await store.take("a"), undefined);
    t.is(await client.call("EXISTS", `${prefix}:tok:a`), 0);
  });
}

test("redis: a store that is not started, or is stopped, says that it cannot be reached", async (t) => {
  const store = new RedisTokenStore(new RedisConnection(one.server.url));
  const expected = { code: "GC_STORE_UNAVAILABLE" };
  await t.throwsAsync(store.put("a", "x", 1000), expected);
  await store.start();
  await store.put("a", "x", 1000);
  await store.stop();
  await t.throwsAsync(store.take("a"), expected);
});

test("redis: clean() of the manager removes what is left of the tokens too", async (t) => {
  const { manager, tokens } = redis(one.server.url, { prefix: randomUUID() });
  await Promise.all([manager.start?.(), tokens?.start?.()]);
  t.teardown(() => Promise.all([manager.stop?.(), tokens?.stop?.()]));
  await tokens?.put("a", "x", 10_000);

  await manager.clean?.();

  t.is(await tokens?.take("a"), undefined);
});

test("a service starts and stops the token store of its cluster, which others may share, and does without one", async (t) => {
  const calls: string[] = [];
  const tokens: TokenStore = {
    start: () => void calls.push("start"),
    stop: () => void calls.push("stop"),
    put: () => {},
    take: () => undefined,
  };
  const cluster = { ...memory(), tokens };
  const services = [new GlobalChannelService({ cluster }), new GlobalChannelService({ cluster })];

  await Promise.all(services.map((service) => service.start()));
  await services[0]!.stop();
  t.deepEqual(calls, ["start"]);
  await services[1]!.stop();
  t.deepEqual(calls, ["start", "stop"]);

  const { manager, registry, transport } = memory();
  const without = new GlobalChannelService({ cluster: { manager, registry, transport } });
  await without.start();
  await without.stop();
});
