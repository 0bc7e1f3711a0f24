import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { isGlobalChannelError } from "../../src/index.js";
import {
  migrate,
  type MigrationOptions,
  type MigrationProgress,
  RedisChannelManager,
  RedisConnection,
} from "../../src/redis/index.js";
import { startRedis } from "../support/redis-server.js";
import { countWrites, dump, OldDeployment } from "./old-deployment.js";

const FROM = "POMELO:CHANNEL";
const NOTHING_SKIPPED = { otherTypes: 0, otherKeys: 0, names: 0, uids: 0, examples: [] };

/** A Redis with an old deployment, and our manager to see what has come of it. */
async function setUp(t: ExecutionContext, oldPrefix?: string) {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  const old = await OldDeployment.start(server, oldPrefix);
  t.teardown(() => old.stop());
  const manager = new RedisChannelManager(new RedisConnection(server.url));
  await manager.start();
  t.teardown(() => manager.stop());
  const members = async (name: string, sid: string) => (await manager.getMembersBySid(name, sid)).toSorted();
  return { server, url: server.url, client, old, manager, members };
}

test("members of every channel at every frontend are copied, and nothing of the old deployment is changed", async (t) => {
  const { url, client, old, manager, members } = await setUp(t);
  await old.add("guild-7", "ann", "connector-1");
  await old.add("guild-7", "bob", "connector-1");
  await old.add("guild-7", "ann", "connector-2");
  await old.add("world", 42, "connector-1");
  await old.add("world", "gone", "connector-1");
  await old.leave("world", "gone", "connector-1");
  const before = await dump(client, "");

  const report = await migrate({ redis: url, from: FROM });

  t.like(report, { sets: 3, channels: 2, members: 4, added: 4, skipped: NOTHING_SKIPPED });
  t.true(Number.isInteger(report.durationMs) && report.durationMs >= 0);
  t.deepEqual(await members("guild-7", "connector-1"), ["ann", "bob"]);
  t.deepEqual(await members("guild-7", "connector-2"), ["ann"]);
  t.deepEqual(await members("world", "connector-1"), ["42"]);
  t.deepEqual((await manager.getServers()).toSorted(), ["connector-1", "connector-2"]);
  t.deepEqual((await manager.getChannelsBySid("connector-1")).toSorted(), ["guild-7", "world"]);
  t.deepEqual(await dump(client, FROM), before);
});

test("names with colons, braces, percent signs, spaces and any script stay what they are", async (t) => {
  const { url, old, members } = await setUp(t);
  const names = [
    "a:b:c",
    ":",
    "::x:",
    "{room}",
    "}{",
    "100%",
    "%7B",
    "two words",
    " ",
    "日本",
    "😀 \u0301",
    "line\nbreak",
  ];
  const sids = ["connector-1", "{s}", "s 1", "%", "サーバ"];
  for (const name of names) {
    for (const sid of sids) for (const uid of ["ann", name]) await old.add(name, uid, sid);
  }

  const report = await migrate({ redis: url, from: FROM });

  t.like(report, { sets: names.length * sids.length, channels: names.length, skipped: NOTHING_SKIPPED });
  for (const name of names) {
    for (const sid of sids) t.deepEqual(await members(name, sid), ["ann", name].toSorted(), `${name} at ${sid}`);
  }
});

test("an empty deployment gives an empty report", async (t) => {
  const { url, client } = await setUp(t);
  const told: MigrationProgress[] = [];

  const report = await migrate({ redis: url, from: FROM, onProgress: (progress) => told.push(progress) });

  t.like(report, { sets: 0, channels: 0, members: 0, added: 0, skipped: NOTHING_SKIPPED });
  t.deepEqual(told, [{ keysSeen: 0, sets: 0, members: 0, added: 0 }]);
  t.is(await client.dbsize(), 0);
});

test("a second run writes nothing at all, also of 20,000 members in one set", async (t) => {
  const { url, client, old, members } = await setUp(t);
  const uids = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);
  await Promise.all(uids.map((uid) => old.add("world", uid, "connector-1")));
  await Promise.all(uids.slice(0, 500).map((uid) => old.add(`private:${uid}`, uid, "connector-2")));
  const first = await migrate({ redis: url, from: FROM });
  const [content, writes] = [await dump(client, ""), await countWrites(client)];

  const second = await migrate({ redis: url, from: FROM });

  t.like(first, { sets: 501, channels: 501, members: 20_500, added: 20_500 });
  t.like(second, { sets: 501, channels: 501, members: 20_500, added: 0 });
  t.is(await countWrites(client), writes);
  // AVA would take minutes to show where so much differs.
  t.true(isDeepStrictEqual(await dump(client, ""), content));
  t.true(isDeepStrictEqual(await members("world", "connector-1"), uids.toSorted()));
});

test("no change adds more than 125 members, and progress is told by the page", async (t) => {
  const { url, client, manager } = await setUp(t);
  await client.sadd(`${FROM}:ints:s1`, ...Array.from({ length: 500 }, (_, index) => index));
  await client.sadd(`${FROM}:world:s1`, ...Array.from({ length: 5000 }, (_, index) => `user-${index}`));
  const sizes: number[] = [];
  await manager.watch("s1", { change: (change) => sizes.push("uids" in change ? change.uids.length : Number.NaN) });
  const told: MigrationProgress[] = [];

  const { added } = await migrate({ redis: url, from: FROM, onProgress: (progress) => told.push(progress) });

  t.is(added, 5500);
  t.true(sizes.length >= 44 && sizes.every((size) => size <= 125), sizes.join(" "));
  t.is(
    sizes.reduce((sum, size) => sum + size),
    5500,
  );
  t.true(told.length >= 7);
  t.true(told.every((each, index) => index === 0 || each.members >= told[index - 1]!.members));
  t.deepEqual(told.at(-1), { keysSeen: 2, sets: 2, members: 5500, added: 5500 });
});

test("sets that Redis keeps in one piece are added in batches too", async (t) => {
  const { url, client, manager } = await setUp(t);
  await client.config("SET", "set-max-intset-entries", 10_000);
  await client.sadd(`${FROM}:ints:s1`, ...Array.from({ length: 3500 }, (_, index) => index));
  const sizes: number[] = [];
  await manager.watch("s1", { change: (change) => sizes.push("uids" in change ? change.uids.length : Number.NaN) });

  const { added } = await migrate({ redis: url, from: FROM });

  t.is(added, 3500);
  t.deepEqual(
    sizes,
    Array.from({ length: 28 }, () => 125),
  );
});

test("what old servers add meanwhile is taken by a second run, which raises no other version", async (t) => {
  const { url, old, manager, members } = await setUp(t);
  const adds = Array.from({ length: 3000 }, (_, index) => () => old.add("world", `early-${index}`, "connector-1"));
  await Promise.all(adds.map((add) => add()));
  await old.add("quiet", "ann", "connector-1");
  const stop = new AbortController();
  let late = 0;
  const writer = (async () => {
    while (!stop.signal.aborted) await old.add("world", `late-${late++}`, "connector-1");
  })();
  const first = await migrate({ redis: url, from: FROM }).finally(() => stop.abort());
  await writer;
  const quiet = await manager.getMemberSets("quiet");

  const second = await migrate({ redis: url, from: FROM });

  t.true(late > 0);
  t.true(first.added >= 3001);
  t.is(first.added + second.added, 3001 + late);
  t.is((await members("world", "connector-1")).length, 3000 + late);
  t.deepEqual(await manager.getMemberSets("quiet"), quiet);
});

test("what ours has already stays, and only the rest is added", async (t) => {
  const { url, old, manager, members } = await setUp(t);
  await manager.addMany(["ann", "zoe"].map((uid) => ({ name: "guild", uid, sid: "s1" })));
  for (const uid of ["ann", "bob"]) await old.add("guild", uid, "s1");

  const report = await migrate({ redis: url, from: FROM });

  t.like(report, { members: 2, added: 1 });
  t.deepEqual(await members("guild", "s1"), ["ann", "bob", "zoe"]);
});

test("other data below the prefix is counted, told of and left alone", async (t) => {
  const { url, client, old } = await setUp(t);
  await old.add("guild", "ann", "s1");
  await client.set(`${FROM}:text:s1`, "x");
  await client.hset(`${FROM}:hash:s1`, "a", "b");
  await client.zadd(`${FROM}:sorted:s1`, 1, "a");
  for (const key of ["single", ":s1", "name:", ""]) await client.sadd(`${FROM}:${key}`, "a");
  await client.sadd(FROM, "a");
  await client.sadd(`${FROM}2:guild:s1`, "a");
  await client.sadd(`x${FROM}:guild:s1`, "a");
  const before = await dump(client, "");

  const report = await migrate({ redis: url, from: FROM });

  t.like(report, { sets: 1, channels: 1, members: 1, added: 1 });
  t.like(report.skipped, { otherTypes: 3, otherKeys: 4, names: 0, uids: 0 });
  t.is(report.skipped.examples.length, 7);
  t.true(report.skipped.examples.includes(`"${FROM}:text:s1": it is of type string`));
  const after = await dump(client, "");
  for (const [key, value] of before) t.is(after.get(key), value, key);
});

test("names and uids that globalchannel refuses are counted, with at most 10 examples", async (t) => {
  const { url, client, old, members } = await setUp(t);
  const long = "é".repeat(513);
  await old.add(long, "ann", "s1");
  await old.add("guild", "ann", long);
  await old.add("guild", long, "s1");
  await old.add("guild", "é".repeat(512), "s1");
  await old.add("guild", "", "s1");
  await client.sadd(`${FROM}:guild:s1`, Buffer.from([0x61, 0xff]), Buffer.from([0x61, 0xfe]));
  await client.sadd(Buffer.concat([Buffer.from(`${FROM}:x`), Buffer.from([0xff]), Buffer.from(":s1")]), "a");

  const report = await migrate({ redis: url, from: FROM });

  t.like(report, { sets: 1, members: 1, added: 1 });
  t.like(report.skipped, { otherTypes: 0, otherKeys: 0, names: 3, uids: 4 });
  t.is(report.skipped.examples.length, 7);
  t.true(report.skipped.examples.every((example) => /^".*: (name|sid|uid) is .*; it must be /.test(example)));
  t.deepEqual(await members("guild", "s1"), ["é".repeat(512)]);

  await Promise.all(Array.from({ length: 20 }, (_, index) => old.add("many", `${index}${long}`, "s1")));
  const { skipped } = await migrate({ redis: url, from: FROM });
  t.is(skipped.uids, 24);
  t.is(skipped.examples.length, 10);
});

for (const prefix of ["game[1]*", "a\\b?", "^[^x]-", "日本 {x}"]) {
  test(`the old prefix may be ${prefix}, and stands for itself only`, async (t) => {
    const { url, client, old, members } = await setUp(t, prefix);
    await old.add("guild", "ann", "s1");
    for (const other of ["game1", "game1x", "game[1]x", "ab", "aXb", "a\\bX", "y", "y-"]) {
      await client.sadd(`${other}:guild:s1`, "stranger");
    }

    const report = await migrate({ redis: url, from: prefix });

    t.like(report, { sets: 1, members: 1, added: 1, skipped: NOTHING_SKIPPED });
    t.deepEqual(await members("guild", "s1"), ["ann"]);
  });
}

test("many sets are copied completely, whatever else is in the database", async (t) => {
  const { url, client, manager } = await setUp(t);
  const script = `
    for i = 1, 20000 do
      redis.call('SADD', ARGV[1] .. ':room-' .. i % 8000 .. ':connector-' .. i, 'u' .. i, 'v' .. i)
      redis.call('SET', 'other:' .. i, 'x')
    end`;
  await client.eval(script, 0, FROM);

  const report = await migrate({ redis: url, from: FROM });

  t.like(report, { sets: 20_000, channels: 8000, members: 40_000, added: 40_000 });
  t.is((await manager.getMemberSets("room-7")).length, 3);
  t.is((await manager.getServers()).length, 20_000);
});

test("our prefix may be chosen, and the database is that of the connection", async (t) => {
  const { server, client } = await setUp(t);
  await client.select(3);
  await client.sadd(`${FROM}:guild:s1`, "ann");

  const report = await migrate({
    redis: { host: server.host, port: server.port, db: 3 },
    from: FROM,
    prefix: "my:game",
  });

  t.is(report.added, 1);
  t.deepEqual(await client.smembers("my:game:{guild}:m:s1"), ["ann"]);
});

test("prefixes whose keys could be taken for one another are refused", async (t) => {
  const redis = "redis://127.0.0.1:1";
  const mixed: [from: string, prefix: string | undefined, argument: string][] = [
    ["gc", undefined, "prefix"],
    ["game", "game", "prefix"],
    ["game", "game:new", "prefix"],
    // Old servers with `cleanOnStartUp` would delete it.
    ["game", "game2", "prefix"],
    ["gc:on", "gc", "from"],
    ["gc:u:x", "gc", "from"],
    ["gc:srv", "gc", "from"],
    ["gc:{room}", "gc", "from"],
    ["gc:{ro", "gc", "from"],
  ];
  for (const [from, prefix, argument] of mixed) {
    const error = await t.throwsAsync(migrate(prefix === undefined ? { redis, from } : { redis, from, prefix }));
    t.like(error, { code: "GC_INVALID_OPTION", argument }, `${from} ${prefix}`);
  }
});

test("prefixes that only look alike work side by side", async (t) => {
  const { url, client } = await setUp(t);
  for (const [from, prefix] of [
    ["gc:old", "gc"],
    ["gc2", "gc"],
    ["gc:unique", "gc"],
  ] as const) {
    await client.sadd(`${from}:guild:s1`, "ann");
    await migrate({ redis: url, from, prefix });

    t.like(await migrate({ redis: url, from, prefix }), { sets: 1, members: 1, added: 0, skipped: NOTHING_SKIPPED });
    await client.flushall();
  }
});

test("options that are unknown or cannot work are refused, and no password is shown", async (t) => {
  const redis = "redis://127.0.0.1:1";
  const refused: unknown[] = [
    undefined,
    {},
    { from: FROM },
    { redis },
    { redis, from: "" },
    { redis, from: 1 },
    { redis, from: "\ud800" },
    { redis, from: FROM, prefix: "a*" },
    { redis, from: FROM, prefix: 1 },
    { redis, from: FROM, onProgress: true },
    { redis, from: FROM, signal: {} },
    { redis, from: FROM, form: "x" },
    { redis: "http://:hunter2@localhost", from: FROM },
  ];
  for (const options of refused) {
    const error = await t.throwsAsync(migrate(options as MigrationOptions));
    t.like(error, { code: "GC_INVALID_OPTION" }, JSON.stringify(options));
    t.notRegex(error.message, /hunter2/);
  }
  await t.throwsAsync(migrate({ redis, from: FROM, prefix: "a*" }), { message: /"a\*"/ });
});

test("a Redis that is not there, or goes away meanwhile, is a temporary error", async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const { url } = server;
  const client = new Redis(url);
  await client.sadd(`${FROM}:world:s1`, ...Array.from({ length: 20_000 }, (_, index) => `user-${index}`));
  client.disconnect();
  let killed: Promise<void> | undefined;
  const lost = await t.throwsAsync(
    migrate({ redis: url, from: FROM, onProgress: () => void (killed ??= server.kill()) }),
  );
  await killed;
  const refused = await t.throwsAsync(migrate({ redis: url, from: FROM }));

  for (const error of [lost, refused]) t.like(error, { code: "GC_STORE_UNAVAILABLE", temporary: true });
});

test("its connections are closed whether it succeeds or fails, and an injected client is not", async (t) => {
  const { url, client, old } = await setUp(t);
  await old.add("guild", "ann", "s1");
  const count = async () =>
    String(await client.client("LIST"))
      .trim()
      .split("\n").length;
  const atFirst = await count();

  await migrate({ redis: url, from: FROM });
  t.is(await count(), atFirst);

  const failure = new Error("of the application");
  const fail = () => {
    throw failure;
  };
  t.is(await t.throwsAsync(migrate({ redis: url, from: FROM, onProgress: fail })), failure);
  t.is(await count(), atFirst);

  t.like(await migrate({ redis: client, from: FROM }), { members: 1, added: 0 });
  t.is(await count(), atFirst);
  t.is(await client.ping(), "PONG");
});

test("an error of Redis ends it", async (t) => {
  const { url, client } = await setUp(t);
  await client.sadd(`${FROM}:world:s1`, "ann");
  await client.set("gc:{world}:m:s1", "not a set");

  const error = await t.throwsAsync(migrate({ redis: url, from: FROM }));

  t.true(isGlobalChannelError(error));
  t.like(error, { code: "GC_STORE_ERROR" });
});

test("aborting its signal ends it with the reason, and running it again goes on", async (t) => {
  const { url, client, members } = await setUp(t);
  await client.sadd(`${FROM}:world:s1`, ...Array.from({ length: 20_000 }, (_, index) => `user-${index}`));
  const stop = new AbortController();
  const reason = new Error("enough");
  let added = 0;

  const error = await t.throwsAsync(
    migrate({
      redis: url,
      from: FROM,
      signal: stop.signal,
      onProgress: (progress) => {
        ({ added } = progress);
        stop.abort(reason);
      },
    }),
  );

  t.is(error, reason);
  t.true(added > 0 && added < 20_000);
  const writes = await countWrites(client);
  await sleep(50);
  t.is(await countWrites(client), writes);
  t.is((await migrate({ redis: url, from: FROM })).added, 20_000 - added);
  t.is((await members("world", "s1")).length, 20_000);
  t.is(await t.throwsAsync(migrate({ redis: url, from: FROM, signal: stop.signal })), reason);
});
