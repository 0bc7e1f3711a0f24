import { randomUUID } from "node:crypto";
import test from "ava";
import { RedisChannelManager, RedisConnection } from "../../src/redis/index.js";
import { bySource, testParts, useRedis, type HarnessMaker } from "../support/redis-conformance.js";

const redis = useRedis();

/** As by URL, on a Redis where others have keys that look much the same, which must stay as they are. */
const byPrefix: HarnessMaker = (Part) => async () => {
  const { server, admin } = redis;
  const prefix = `test:${randomUUID()}`;
  const others = [prefix.slice(0, -1), `${prefix}:`, `${prefix}-`, `${prefix}:test`, prefix.toUpperCase()];
  const keys = others.flatMap((other) => [`${other}:sids`, `${other}:{room}:m:s1`, `${other}:{room}:s`]);
  await admin.mset(Object.fromEntries(keys.map((key) => [key, "another's"])));
  return {
    open: () => new Part(new RedisConnection(server.url, { prefix })),
    close: async () => {
      const values = await admin.mget(keys);
      await admin.flushall();
      if (values.some((value) => value !== "another's")) throw new Error("a key of another prefix was changed");
    },
    interrupt: () => redis.interrupt(),
    age: (ms) => redis.age(ms),
  };
};

testParts(
  "",
  bySource(redis, () => redis.server.url),
);
testParts(" through a prefix", byPrefix);

test.serial("managers with prefixes of their own on one Redis know nothing of each other", async (t) => {
  const prefixes = ["app", "app:1", "app-1", "app.1", "App", "app:test"];
  const managers = prefixes.map((prefix) => new RedisChannelManager(new RedisConnection(redis.server.url, { prefix })));
  const told = managers.map(() => new Array<string>());
  await Promise.all(managers.map((manager) => manager.start()));
  t.teardown(async () => {
    await Promise.all(managers.map((manager) => manager.stop()));
    await redis.admin.flushall();
  });
  for (const [index, manager] of managers.entries()) {
    await manager.watchAll({ change: (change) => void (change.type === "join" && told[index]!.push(...change.uids)) });
  }

  await Promise.all(
    managers.map(async (manager, index) => {
      for (const uid of ["ann", `only ${index}`]) t.true(await manager.add("room", uid, "s1"));
      await manager.connect(`only ${index}`, "s1", "i1");
    }),
  );
  const alone = async (index: number) => {
    const manager = managers[index]!;
    t.deepEqual((await manager.getMembersBySid("room", "s1")).toSorted(), ["ann", `only ${index}`]);
    t.deepEqual(await manager.countUsers(["s1"]), [1]);
    t.deepEqual(told[index], ["ann", `only ${index}`]);
  };
  await Promise.all(managers.map((_, index) => alone(index)));

  // One after the other is emptied, in every way that there is: those that are left are whole.
  const ends: ((manager: RedisChannelManager) => Promise<unknown>)[] = [
    (manager) => manager.clean(),
    (manager) => manager.destroyChannel("room"),
    (manager) => manager.evict({ sid: "s1", incarnation: "i1" }, "server-down"),
  ];
  for (const [index, manager] of managers.slice(0, -1).entries()) {
    await ends[index % ends.length]!(manager);
    t.deepEqual(await manager.getMembersBySid("room", "s1"), []);
    for (let left = index + 1; left < managers.length; left++) await alone(left);
  }
});
