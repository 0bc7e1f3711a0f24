import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { redis } from "../../src/redis/index.js";
import { Keys } from "../../src/redis/keys.js";
import { startRedis } from "../support/redis-server.js";
import { numbers } from "../cluster/cluster.js";

// What is kept of those who are not to come back, and for how long.

const KEEP_SECONDS = 60;
const NAME = "room {1}";
const FAREWELLS = new Keys("gc", 0).farewells(NAME);

async function start(t: ExecutionContext) {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const admin = new Redis(server.port, server.host);
  t.teardown(() => admin.disconnect());
  const { manager } = redis(server.url);
  await manager.start!();
  t.teardown(() => manager.stop!());
  const membersOf = (...uids: string[]) => uids.map((uid) => ({ name: NAME, uid, sid: "s 1" }));
  const now = async () => Number((await admin.time())[0]);
  return {
    admin,
    manager,
    join: (...uids: string[]) => manager.addMany!(membersOf(...uids)),
    leave: (...uids: string[]) => manager.leaveMany!(membersOf(...uids), "leave"),
    restore: (...uids: string[]) => manager.addMany!(membersOf(...uids), "restored"),
    restoreWhoLeft: (leftMsAgo: number | undefined, ...uids: string[]) =>
      manager.addMany!(
        membersOf(...uids).map((one) => ({ ...one, ...(leftMsAgo !== undefined && { leftMsAgo }) })),
        "restored",
      ),
    /** Notes from so long ago. */
    async age(seconds: number, ...notes: string[]) {
      const at = String((await now()) - seconds);
      await admin.zadd(FAREWELLS, ...notes.flatMap((note) => [at, note]));
    },
  };
}

test("it is kept for a minute who was told to leave, and not for long after, however many do", async (t) => {
  const { admin, leave, age } = await start(t);
  await leave("ann");
  t.deepEqual(await admin.zrange(FAREWELLS, "0", "-1"), ["-s%201 ann"]);
  await age(KEEP_SECONDS - 5, "-s%201 ben");
  await age(KEEP_SECONDS + 1, ...numbers(5000).map((n) => `-s%201 old-${n}`));

  for (const n of numbers(300)) await leave(`user-${n}`);

  const kept = await admin.zrange(FAREWELLS, "0", "-1");
  t.true(kept.includes("-s%201 ann"));
  t.true(kept.includes("-s%201 ben"));
  t.is(kept.length, 302);
  const keptFor = await admin.ttl(FAREWELLS);
  t.true(keptFor > KEEP_SECONDS - 10 && keptFor <= KEEP_SECONDS, `${keptFor} s`);
});

test("more leave in one call than are taken out at a time, and nothing grows", async (t) => {
  const { admin, leave, age } = await start(t);
  for (const round of numbers(10)) {
    await age(KEEP_SECONDS + 1, ...numbers(2000).map((n) => `-s%201 old-${round}-${n}`));
    await leave(...numbers(2000).map((n) => `user-${n}`));
  }

  t.is(await admin.zcard(FAREWELLS), 2000);
});

test("what was long ago keeps nobody away", async (t) => {
  const { restore, age, manager } = await start(t);
  await age(KEEP_SECONDS + 1, "-s%201 ann", "!");
  await age(0, "-s%201 ben");

  t.is(await restore("ann", "ben", "cid"), 2);
  t.deepEqual((await manager.getMembersBySid(NAME, "s 1")).toSorted(), ["ann", "cid"]);
});

test("that a channel was destroyed is kept for a minute, and who has joined since for as long", async (t) => {
  const { admin, manager, join, leave, restore } = await start(t);
  await join("ann");
  await manager.destroyChannel(NAME);
  const keptFor = await admin.ttl(FAREWELLS);
  t.true(keptFor > KEEP_SECONDS - 10 && keptFor <= KEEP_SECONDS, `${keptFor} s`);
  await join("ben", "cid");
  await leave("cid");

  t.deepEqual((await admin.zrange(FAREWELLS, "0", "-1")).toSorted(), ["!", "+s%201 ben", "+s%201 cid", "-s%201 cid"]);
  t.is(await restore("ann", "ben", "cid"), 0);
  t.true((await admin.ttl(FAREWELLS)) > 0);
});

test("a note of a leave that the frontend has heard of itself keeps nobody out who was back since; a later one does", async (t) => {
  const { restoreWhoLeft, age, manager } = await start(t);
  await age(30, "-s%201 ann", "-s%201 ben", "!");
  await age(5, "-s%201 cid");

  // ben's frontend has heard of no leave, and cid has left once more since the one that was heard of.
  t.is(await restoreWhoLeft(30_000, "ann", "cid"), 1);
  t.is(await restoreWhoLeft(undefined, "ben", "dan"), 0);
  t.deepEqual(await manager.getMembersBySid(NAME, "s 1"), ["ann"]);
});
