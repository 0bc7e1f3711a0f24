import test from "ava";
import { Redis } from "ioredis";
import { redis } from "../../src/redis/index.js";
import { startRedis } from "../support/redis-server.js";
import { numbers } from "../cluster/cluster.js";

const NOTE = "gc:{room}:g";

test("it is kept for a minute who was told to leave, and not for long after, however many do", async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const admin = new Redis(server.port, server.host);
  t.teardown(() => admin.disconnect());
  const { manager } = redis(server.url);
  await manager.start!();
  t.teardown(() => manager.stop!());
  await manager.add("room", "ann", "s1");
  await manager.leaveMany!([{ name: "room", uid: "ann", sid: "s1" }], "leave");
  t.deepEqual(await admin.zrange(NOTE, "0", "-1"), ["-s1 ann"]);
  await admin.zadd(NOTE, Math.floor(Date.now() / 1000) - 61, "-s1 bob");

  for (const n of numbers(300)) await manager.leave("room", `user-${n}`, "s1");

  const kept = await admin.zrange(NOTE, "0", "-1");
  t.true(kept.includes("-s1 ann"));
  t.false(kept.includes("-s1 bob"));
  t.is(kept.length, 301);
  const keptFor = await admin.ttl(NOTE);
  t.true(keptFor > 50 && keptFor <= 60, `${keptFor} s`);
});
