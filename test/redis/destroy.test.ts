import { randomUUID } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import type { MemberSetChange } from "../../src/index.js";
import { RedisChannelManager, RedisConnection } from "../../src/redis/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";

// What comes after the end of a channel on Redis: who may be restored, and in which order it is told.

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

async function start(t: ExecutionContext, url = server.url): Promise<RedisChannelManager> {
  const manager = new RedisChannelManager(new RedisConnection(url, { prefix: randomUUID() }));
  await manager.start();
  t.teardown(() => manager.stop());
  return manager;
}

const membersOf = (uids: readonly string[]) => uids.map((uid) => ({ name: "room", uid, sid: "s 1" }));

test("nobody is restored in a channel that was destroyed but who has joined it since, and has not left again", async (t) => {
  const manager = await start(t);
  await manager.addMany(membersOf(["ann", "ben", "cid"]));
  t.is(await manager.destroyChannel("room"), 3);
  await manager.addMany(membersOf(["ben", "cid"]));
  await manager.leave("room", "cid", "s 1");
  // Taken out by nobody's wish: it may come back.
  await manager.leaveMany(membersOf(["ben"]), "server-down");

  t.is(await manager.addMany(membersOf(["ann", "ben", "cid", "dan"]), "restored"), 1);

  t.deepEqual(await manager.getMembersBySid("room", "s 1"), ["ben"]);
});

test("places are told apart by frontend and user, also where their names look like notes", async (t) => {
  const manager = await start(t);
  const places = [
    ["s 1", "ann"],
    ["s", "1 ann"],
    ["s%201", "ann"],
    ["-s", "ann"],
    ["s", "-s ann"],
    ["!", "!"],
  ].map(([sid, uid]) => ({ name: "room", uid: uid!, sid: sid! }));
  for (const left of places) {
    await manager.addMany(places);
    await manager.leaveMany([left], "leave");
    await manager.leaveMany(places, "server-down");

    t.is(await manager.addMany(places, "restored"), places.length - 1);
    const back = places.filter(({ uid, sid }) => uid === left.uid && sid !== left.sid).map(({ sid }) => sid);
    t.deepEqual((await manager.findMember("room", left.uid)).toSorted(), back.toSorted());
  }
});

test("who has joined after one destruction is not restored after the next", async (t) => {
  const manager = await start(t);
  await manager.destroyChannel("room");
  await manager.addMany(membersOf(["ann", "ben"]));
  t.is(await manager.destroyChannel("room"), 2);
  await manager.add("room", "ben", "s 1");

  t.is(await manager.addMany(membersOf(["ann", "ben"]), "restored"), 0);

  t.deepEqual(await manager.getMembersBySid("room", "s 1"), ["ben"]);
  t.is(await manager.addMany([{ name: "hall", uid: "ann", sid: "s 1" }], "restored"), 1);
});

test("a channel can be destroyed, and be left, when the memory of Redis is full", async (t) => {
  const full = await startRedis();
  t.teardown(() => full.stop());
  const manager = await start(t, full.url);
  await manager.addMany(membersOf(["ann", "ben"]));
  await manager.add("hall", "ann", "s 1");
  const admin = new Redis(full.url);
  t.teardown(() => admin.disconnect());
  await admin.config("SET", "maxmemory", "1mb");

  await t.throwsAsync(async () => manager.add("room", "cid", "s 1"), { message: /OOM/ });
  t.true(await manager.leave("room", "ann", "s 1"));
  t.is(await manager.destroyChannel("room"), 1);
  t.is(await manager.destroyChannel("room"), 0);
  await admin.config("SET", "maxmemory", "0");

  t.is(await manager.addMany(membersOf(["ann", "ben"]), "restored"), 0);
  t.deepEqual(await manager.getMembersBySid("hall", "s 1"), ["ann"]);
});

test("who joins again while the members of a large channel are told of is told of first, and once", async (t) => {
  const manager = await start(t);
  const uids = numbers(20_000).map(String);
  const told = new Map<string, string[]>();
  const listen = (change: MemberSetChange): void => {
    if (change.type === "clear") return;
    for (const uid of change.uids) told.set(uid, [...(told.get(uid) ?? []), `${change.type} ${change.reason}`]);
  };
  await manager.watchAll({ change: listen });
  await manager.addMany(membersOf(uids));

  const back = uids.slice(0, 2000);
  const backAgain = uids.slice(1000, 3000);
  // These go to Redis together, before it can be known of whom there is to tell; also where it is destroyed twice.
  const results = await Promise.all([
    manager.destroyChannel("room"),
    manager.addMany(membersOf(back)),
    manager.destroyChannel("room"),
    manager.addMany(membersOf(backAgain)),
  ]);
  t.deepEqual(results, [uids.length, back.length, back.length, backAgain.length]);

  const [once, twice] = [
    ["join join", "leave destroyed"],
    ["join join", "leave destroyed", "join join"],
  ];
  const expected = (n: number): string[] => {
    if (n < 1000) return [...twice, "leave destroyed"];
    if (n < 2000) return [...twice, "leave destroyed", "join join"];
    return n < 3000 ? twice : once;
  };
  await eventually(() => uids.every((uid, n) => told.get(uid)!.length >= expected(n).length), 3000);
  const wrong = uids.filter((uid, n) => told.get(uid)!.join() !== expected(n).join());
  t.deepEqual(
    wrong.map((uid) => [uid, told.get(uid)]),
    [],
  );
});
