import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { KEPT_CHANNELS } from "../../src/conformance/index.js";
import { NO_EPOCH } from "../../src/read-after.js";
import { RedisChannelHistory, RedisConnection, type RedisSource } from "../../src/redis/index.js";
import type { ChannelPosition, HistoryPosition } from "../../src/types.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { calls } from "../support/redis-calls.js";
import { startRedisCluster } from "../support/redis-cluster.js";
import { startSentinel } from "../support/redis-sentinel.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";

// What conformance cannot ask for: restarts, failovers, and what is left of a history that Redis has thrown away in part.

const LIMITS = { size: 100, ttlMs: 60_000 };

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

async function open(t: ExecutionContext, source: RedisSource, prefix: string = randomUUID()) {
  const connection = new RedisConnection(source, { prefix });
  const history = new RedisChannelHistory(connection, { channels: KEPT_CHANNELS });
  await history.start();
  t.teardown(() => history.stop());
  const [keys] = connection.layout.partitions;
  const keep = async (body: string, limits = LIMITS): Promise<ChannelPosition> => {
    const entry = { stype: "connector", route: "chat", body, except: [], names: ["room"] };
    const { positions } = await history.append({ entry, limits: [limits] });
    return positions[0]!;
  };
  const bodies = async () => {
    const { entries } = await history.read("room", { after: 0, limit: 100, reverse: false });
    return entries.map(({ body }) => body);
  };
  return { history, keep, bodies, keys: keys! };
}

function clientOf(t: ExecutionContext, { host, port }: RedisServer): Redis {
  const client = new Redis(port, host);
  client.on("error", () => {});
  t.teardown(() => client.disconnect());
  return client;
}

/** The same as before, in another epoch. */
function isBegunAnew(t: ExecutionContext, after: HistoryPosition | undefined, before: HistoryPosition): void {
  t.is(after?.offset, before.offset);
  t.not(after?.epoch, before.epoch);
}

test("after a restart that has kept the data another epoch begins, and the offsets go on", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-history-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const own = await startRedis({ args: ["--dir", folder, "--appendonly", "yes", "--appendfsync", "always"] });
  t.teardown(() => own.stop());
  const { history, keep, bodies } = await open(t, own.url);
  await keep("1");
  const before = await keep("2");
  const [begun] = await history.positions(["kept:room"]);

  // It is told to end, as by SHUTDOWN.
  await own.restart();

  await eventually(
    async () => (await history.read("room", { after: 0, limit: 1, reverse: false })) !== undefined,
    10_000,
  );
  const { position, former } = await history.read("room", { after: 0, limit: 1, reverse: false });
  isBegunAnew(t, position, before);
  t.deepEqual(former, [{ epoch: before.epoch, offset: before.offset }], "it goes on with what was kept");
  t.deepEqual(await bodies(), ["1", "2"], "what was kept is still there");
  const [beginsWith] = await history.positions(["kept:room"]);
  isBegunAnew(t, beginsWith, begun!);
  t.deepEqual(await keep("3"), { name: "room", epoch: position!.epoch, offset: before.offset + 1 });
  t.deepEqual(await history.positions(["room", "kept:room"]), [
    { epoch: position!.epoch, offset: before.offset + 1 },
    beginsWith,
  ]);
  t.deepEqual(await bodies(), ["1", "2", "3"]);
});

test("after a restart that has lost the data it is another epoch", async (t) => {
  const own = await startRedis();
  t.teardown(() => own.stop());
  const { history, keep, bodies } = await open(t, own.url);
  const before = await keep("1");

  await own.restart();

  let after: ChannelPosition | undefined;
  await eventually(async () => (after = await keep("2")) !== undefined, 10_000);
  t.not(after?.epoch, before.epoch);
  t.deepEqual(await bodies(), ["2"]);
  t.deepEqual(await history.positions(["room"]), [{ epoch: after!.epoch, offset: after!.offset }]);
});

test("after a failover to a replica another epoch begins, and the offsets go on", async (t) => {
  const sentinel = await startSentinel({ replicas: 1 });
  t.teardown(() => sentinel.stop());
  const { history, keep, bodies } = await open(t, { sentinels: sentinel.sentinels, name: sentinel.name });
  await keep("1");
  const before = await keep("2");
  const { port } = await sentinel.primary();
  await sentinel.waitUntilOk();

  await sentinel.failover();
  await sentinel.waitForFailover(port);

  let position: HistoryPosition | undefined;
  await eventually(async () => {
    [position] = await history.positions(["room"]);
    return position?.epoch !== before.epoch;
  }, 20_000);
  isBegunAnew(t, position, before);
  const after = await keep("3");
  t.deepEqual([after.epoch, after.offset], [position!.epoch, before.offset + 1]);
  t.deepEqual(await bodies(), ["1", "2", "3"]);
});

test("where Redis has thrown away one of the two keys, nothing goes on under the same offsets", async (t) => {
  const { history, keep, bodies, keys } = await open(t, server.url);
  const admin = clientOf(t, server);
  const first = await keep("1");
  await keep("2");

  await admin.unlink(keys.messages("room"));
  t.deepEqual(await bodies(), []);
  const third = await keep("3");
  t.deepEqual([third.epoch, third.offset], [first.epoch, 3]);
  t.deepEqual(await bodies(), ["3"]);

  await admin.unlink(keys.history("room"));
  const { position, entries } = await history.read("room", { after: 0, limit: 10, reverse: false });
  t.deepEqual([position, entries], [undefined, []]);
  const next = await keep("4");
  t.not(next.epoch, first.epoch);
  t.deepEqual(await bodies(), ["4"]);
});

test("an epoch ends when nothing was kept for twice the time", async (t) => {
  const { history, keep, keys } = await open(t, server.url);
  const admin = clientOf(t, server);
  const first = await keep("1", { size: 5, ttlMs: 10_000 });

  const [messagesMs, historyMs] = [await admin.pttl(keys.messages("room")), await admin.pttl(keys.history("room"))];
  t.true(messagesMs > 5_000 && messagesMs <= 10_000 && historyMs > 15_000 && historyMs <= 20_000);
  await admin.pexpire(keys.history("room"), 1);
  await eventually(async () => (await history.positions(["room"]))[0] === undefined, 5_000);

  t.not((await keep("2")).epoch, first.epoch);
});

test("an epoch that positions begins ends, too, if nothing is kept", async (t) => {
  const { history, keys } = await open(t, server.url);
  const admin = clientOf(t, server);
  const twice = 2 * KEPT_CHANNELS["kept:*"]!.ttlMs;

  const [position] = await history.positions(["kept:room"]);

  const ms = await admin.pttl(keys.history("kept:room"));
  t.true(ms > twice - 60_000 && ms <= twice);
  t.not(position!.epoch, NO_EPOCH);
  t.is(await admin.exists(keys.messages("kept:room")), 0);
});

test("what is removed takes no room any more", async (t) => {
  const prefix = randomUUID();
  const { history, keep } = await open(t, server.url, prefix);
  const admin = clientOf(t, server);
  await keep("1");
  t.is((await admin.keys(`${prefix}*`)).length, 2);

  await history.remove("room");

  t.deepEqual(await admin.keys(`${prefix}*`), []);
});

test.serial("a history is removed in one step: nothing is lost of one that begins meanwhile", async (t) => {
  const { history, keep } = await open(t, server.url);
  const admin = clientOf(t, server);
  await keep("1");
  await admin.config("RESETSTAT");

  await history.remove("room");

  t.is(await calls(admin, "unlink"), 1);
});

for (const kind of ["one Redis", "a Redis Cluster"] as const) {
  test(`${kind}: of messages that go together, one that cannot be kept takes no other with it, and all keep their order`, async (t) => {
    const isCluster = kind === "a Redis Cluster";
    const cluster = isCluster ? await startRedisCluster({ replicas: 0 }) : undefined;
    t.teardown(() => cluster?.stop());
    const source = cluster ? { cluster: cluster.startupNodes } : server.url;
    const connection = new RedisConnection(source, { prefix: randomUUID() });
    const history = new RedisChannelHistory(connection);
    await history.start();
    t.teardown(() => history.stop());
    // A channel of the same partition whose history is something else.
    const partition = connection.layout.of("room");
    const bad = numbers(5000)
      .map((n) => `bad ${n}`)
      .find((name) => connection.layout.of(name) === partition)!;
    await connection.command((client) => client.set(partition.history(bad), "no hash"));
    const keep = async (body: string, name: string): Promise<ChannelPosition> => {
      const entry = { stype: "connector", route: "chat", body, except: [], names: [name] };
      const { positions } = await history.append({ entry, limits: [{ size: 1000, ttlMs: 60_000 }] });
      return positions[0]!;
    };

    const all = numbers(300).map((n) => keep(String(n), n % 100 === 50 ? bad : "room"));
    const results = await Promise.allSettled(all);

    const failed = results.flatMap((result) => (result.status === "rejected" ? [result.reason as Error] : []));
    t.is(failed.length, 3);
    for (const error of failed) t.like(error, { code: "GC_STORE_ERROR" });
    t.regex(failed[0]!.message, /WRONGTYPE/);
    const { entries } = await history.read("room", { after: 0, limit: 1000, reverse: false });
    const expected = numbers(300).filter((n) => n % 100 !== 50);
    t.deepEqual(
      entries.map(({ body }) => Number(body)),
      expected,
    );
    const offsets = results.flatMap((result) => (result.status === "fulfilled" ? [result.value.offset] : []));
    t.deepEqual(offsets, numbers(expected.length));
  });
}
