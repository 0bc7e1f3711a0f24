import test from "ava";
import { Redis } from "ioredis";
import { ChangeLog } from "../../src/conformance/managers/change-log.js";
import { RedisChannelManager, RedisConnection } from "../../src/redis/index.js";
import type { MemberSetChange } from "../../src/types.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { calls } from "../support/redis-calls.js";
import { startRedis } from "../support/redis-server.js";
import type { RedisServer } from "../support/redis-server.js";

// The changes of one tick go to Redis together.

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

/** A manager with a prefix of its own, what it tells watchers of `s1`, and a client. */
async function setUp(t: import("ava").ExecutionContext, prefix: string) {
  const connection = new RedisConnection(server.url, { prefix });
  const manager = new RedisChannelManager(connection);
  await manager.start();
  t.teardown(() => manager.stop());
  const changes: MemberSetChange[] = [];
  await manager.watch("s1", { change: (change) => changes.push(change) });
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  return { manager, changes, client, keys: connection.layout.of("") };
}

test.serial("the changes of many sets in one tick are one script call, and one message to each frontend", async (t) => {
  const { manager, changes, client } = await setUp(t, "one");
  await manager.add("warm-up", "ann", "s1");
  await eventually(() => changes.length === 1, 3000);
  const before = { scripts: await calls(client, "evalsha"), publishes: await calls(client, "publish") };

  await Promise.all([
    ...numbers(40).map((n) => manager.add(`room-${n}`, "ann", "s1")),
    manager.leaveMany([{ name: "warm-up", uid: "ann", sid: "s1" }]),
    manager.add("room-7", "bob", "s2"),
  ]);

  t.is((await calls(client, "evalsha")) - before.scripts, 1);
  t.is((await calls(client, "publish")) - before.publishes, 2);
  await eventually(() => changes.length === 42, 3000);
  t.deepEqual(
    changes.slice(1).map(({ type, name }) => `${type} ${name}`),
    [...numbers(40).map((n) => `join room-${n}`), "leave warm-up"],
  );
});

test.serial("a set that cannot be changed fails alone, and the others' watchers are told", async (t) => {
  const { manager, changes, client, keys } = await setUp(t, "two");
  await client.set(keys.members("bad", "s1"), "no set");

  const outcomes = await Promise.allSettled([
    manager.add("first", "ann", "s1"),
    manager.add("bad", "ann", "s1"),
    manager.leaveMany([{ name: "bad", uid: "bob", sid: "s1" }]),
    manager.add("last", "ann", "s1"),
  ]);

  t.deepEqual(
    outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : outcome.reason.code)),
    [true, "GC_STORE_ERROR", "GC_STORE_ERROR", true],
  );
  t.regex((outcomes[1] as PromiseRejectedResult).reason.message, /WRONGTYPE/);
  await eventually(() => changes.length === 2, 3000);
  t.deepEqual(
    changes.map(({ name }) => name),
    ["first", "last"],
  );
});

test.serial("a set that is emptied and filled again in one tick begins a new life", async (t) => {
  const { manager, changes } = await setUp(t, "three");
  await manager.add("room", "ann", "s1");
  const { version: first } = await manager.readMemberSet("room", "s1");

  const outcomes = await Promise.all([
    manager.leave("room", "ann", "s1"),
    manager.add("room", "bob", "s1"),
    manager.leave("room", "bob", "s1"),
    manager.add("room", "cid", "s1"),
    manager.add("room", "dan", "s1"),
  ]);

  t.deepEqual(outcomes, [true, true, true, true, true]);
  const { version, uids } = await manager.readMemberSet("room", "s1");
  t.deepEqual(uids.toSorted(), ["cid", "dan"]);
  await eventually(() => changes.length === 5, 3000);
  const versions = changes.map((change) => (change.type === "clear" ? undefined : change.version));
  t.is(new Set(versions).size, 5);
  t.is(versions[0], first);
  t.is(versions[4], version);
});

test.serial("the changes of one set are told one by one, and cost Redis one look at the set", async (t) => {
  const { manager, changes, client } = await setUp(t, "six");
  await manager.addMany(["ann", "bob"].map((uid) => ({ name: "room", uid, sid: "s1" })));
  const before = await calls(client, "hset");

  const outcomes = await Promise.all([
    manager.leave("room", "ann", "s1"),
    manager.addMany(["cid", "bob"].map((uid) => ({ name: "room", uid, sid: "s1" }))),
    manager.leaveMany(["dan", "eve"].map((uid) => ({ name: "room", uid, sid: "s1" }))),
    manager.leave("room", "cid", "s1"),
  ]);

  t.deepEqual(outcomes, [true, 1, 0, true]);
  t.is((await calls(client, "hset")) - before, 1);
  const { version } = await manager.readMemberSet("room", "s1");
  const [epoch, counter] = version!.split(".");
  await eventually(() => changes.length === 4, 3000);
  t.deepEqual(
    changes.slice(1).map((change) => change.type !== "clear" && [change.type, change.version, change.uids]),
    [
      ["leave", `${epoch}.${Number(counter) - 2}`, ["ann"]],
      ["join", `${epoch}.${Number(counter) - 1}`, ["cid"]],
      ["leave", version, ["cid"]],
    ],
  );
});

test.serial("memberships that are given in turn are one change of each set", async (t) => {
  const { manager, changes } = await setUp(t, "seven");
  const given = ["a ann", "b ann", "a bob", "b ann"].map((text) => text.split(" ") as [string, string]);

  const added = await manager.addMany([
    ...given.map(([name, uid]) => ({ name, uid, sid: "s1" })),
    { name: "a", uid: "ann", sid: "s2" },
  ]);

  t.is(added, 4);
  await eventually(() => changes.length === 2, 3000);
  t.deepEqual(
    changes.map((change) => [change.name, change.type !== "clear" && change.uids]),
    [
      ["a", ["ann", "bob"]],
      ["b", ["ann"]],
    ],
  );
});

test.serial("however the frontends are mixed, a script call tells one of them of its changes, or two", async (t) => {
  const { manager, client } = await setUp(t, "eight");
  await manager.add("warm-up", "ann", "s1");
  const sids = numbers(10).map((n) => `s${n}`);
  const mixed = numbers(200).flatMap((n) => sids.map((sid) => ({ name: `room-${n}`, uid: "ann", sid })));
  const before = { scripts: await calls(client, "evalsha"), publishes: await calls(client, "publish") };

  t.is(await manager.addMany(mixed), 2000);

  const scripts = (await calls(client, "evalsha")) - before.scripts;
  t.true(scripts > 10, `${scripts}`);
  const publishes = (await calls(client, "publish")) - before.publishes;
  t.true(publishes < scripts + sids.length, `${publishes} by ${scripts} script calls`);
});

test.serial("a set whose changes take several script calls changes in the order of the calls", async (t) => {
  const { manager, changes } = await setUp(t, "nine");
  const uids = numbers(2500).map((n) => `u${n}`);
  const memberships = uids.map((uid) => ({ name: "large", uid, sid: "s1" }));

  const outcomes = await Promise.all([
    manager.addMany(memberships),
    manager.add("other", "ann", "s1"),
    manager.leaveMany(memberships),
    manager.add("large", "u1", "s1"),
    manager.leave("large", "u2", "s1"),
    manager.add("large", "u3", "s1"),
  ]);

  t.deepEqual(outcomes, [2500, true, 2500, true, false, true]);
  t.deepEqual((await manager.getMembersBySid("large", "s1")).toSorted(), ["u1", "u3"]);
  await eventually(
    () => changes.some((change) => change.type === "join" && change.uids.includes("u3") && change.uids.length === 1),
    3000,
  );
  const log = new ChangeLog();
  for (const change of changes) log.change(change);
  t.deepEqual(log.members("large", "s1"), ["u1", "u3"]);
});

test.serial("names and uids come through as they are", async (t) => {
  const { manager, changes } = await setUp(t, "four");
  const odd = ['"', "\\", "/", "a/b", "\u0000", "\n", "\u007F", "é", "😀", "%", "{}", " ", "[1]", "null"];

  await manager.addMany(odd.flatMap((name) => odd.map((uid) => ({ name, uid, sid: "s1" }))));

  for (const name of odd) {
    const uids = await manager.getMembersBySid(name, "s1");
    t.deepEqual(uids.toSorted(), odd.toSorted(), JSON.stringify(name));
  }
  await eventually(() => changes.length === odd.length, 3000);
  for (const change of changes) {
    t.true(odd.includes(change.name));
    t.deepEqual(change.type === "join" && [...change.uids].toSorted(), odd.toSorted());
  }
});

test.serial("more changes than one script call takes keep their order", async (t) => {
  const { manager, changes } = await setUp(t, "five");
  const names = numbers(1000).map((n) => `room-${n}`);

  const added = await Promise.all([
    ...names.map((name) => manager.addMany([{ name, uid: "ann", sid: "s1" }])),
    manager.addMany(numbers(2500).map((n) => ({ name: "large", uid: `u${n}`, sid: "s1" }))),
  ]);

  t.deepEqual(added, [...names.map(() => 1), 2500]);
  await eventually(() => changes.length === 1020, 5000);
  t.deepEqual(
    changes.slice(0, 1000).map(({ name }) => name),
    names,
  );
});
