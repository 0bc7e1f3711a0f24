import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import type { MemberSetChange } from "../../src/index.js";
import { RedisChannelManager, RedisConnection } from "../../src/redis/index.js";
import { type Probe, probe as probeScript } from "../../src/redis/prober.js";
import { eventually } from "../cluster/cluster.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { errorsOf } from "../support/stage.js";

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

/** What a process has that watches changes; each test has a prefix of its own. */
async function open(t: ExecutionContext, prefix: string) {
  const connection = new RedisConnection(server.url, { prefix });
  const manager = new RedisChannelManager(connection);
  await manager.start();
  t.teardown(() => manager.stop());
  const { subscriptions } = connection;
  const prober = { carry: <T>(send: (probe: Probe) => Promise<T>) => subscriptions.carryProbe(send) };
  return { connection, manager, subscriptions, prober, errors: errorsOf(t, subscriptions) };
}

test("probes of every process reach no listener, and who does not know them takes them for a change of nothing", async (t) => {
  const prefix = "deaf";
  const heard: MemberSetChange[] = [];
  const listener = { change: (change: MemberSetChange) => heard.push(change) };
  const processes = await Promise.all([open(t, prefix), open(t, prefix)]);
  for (const { manager } of processes) {
    await manager.watch("s1", listener);
    await manager.watchAll(listener);
  }
  const seen: string[] = [];
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  client.on("pmessage", (_pattern: string, channel: string, message: string) => seen.push(`${channel} ${message}`));
  await client.psubscribe(`${prefix}:*`);

  for (const { connection, prober } of processes) {
    await prober.carry((probe) => connection.run(probeScript, [], probe));
  }
  await processes[0].manager.add("room", "ann", "s1");

  // By the channel and by the pattern of each.
  await eventually(() => heard.length === 4, 3000);
  t.true(heard.every(({ type, name }) => type === "join" && name === "room"));
  const probes = seen.filter((line) => line.includes(" "));
  const parsed = probes.slice(0, 4).map((line) => JSON.parse(line.slice(line.indexOf(" "))) as string[]);
  t.deepEqual(
    parsed.map(([name, type]) => [name, type]),
    Array.from({ length: 4 }, () => ["", "clear"]),
  );
  t.is(new Set(parsed.map(([, , id]) => id)).size, 2);
  t.deepEqual(
    probes.slice(0, 4).map((line) => line.slice(0, line.indexOf(" "))),
    ["deaf:ch:0:s1", "deaf:ch:0:", "deaf:ch:0:s1", "deaf:ch:0:"],
  );
});

test("one probe is under way at a time, and none follows it at once", async (t) => {
  const { connection, manager, prober } = await open(t, "spaced");
  const sent: Probe[] = [];
  const send = (probe: Probe): Promise<unknown> => {
    sent.push(probe);
    return probe.length > 0 ? connection.run(probeScript, [], probe) : Promise.resolve();
  };

  await prober.carry(send);
  await manager.watch("s1", { change: () => {} });
  await prober.carry(send);
  await prober.carry(send);

  t.deepEqual(
    sent.map((probe) => probe.slice(1)),
    [[], ["spaced:ch:0:s1"], []],
  );
  await eventually(async () => {
    await prober.carry(send);
    return sent.at(-1)!.length > 0;
  }, 5000);
});

test("a command that fails fails as it would without its probe, and nothing is taken for dead", async (t) => {
  const { connection, manager, prober, errors } = await open(t, "failing");
  let gaps = 0;
  await manager.watch("s1", { change: () => {}, gap: () => gaps++ });

  await t.throwsAsync(
    prober.carry(() => Promise.reject(new Error("oops"))),
    { message: "oops" },
  );

  await eventually(async () => {
    const probed = await prober.carry(async (probe) => probe.length > 0 && connection.run(probeScript, [], probe));
    return probed !== false;
  }, 5000);
  t.deepEqual(errors, []);
  t.is(gaps, 0);
});

test("a probe whose command is never answered does not keep later ones from being sent", async (t) => {
  const { connection, manager, prober, errors } = await open(t, "unanswered");
  await manager.watch("s1", { change: () => {} });

  void prober.carry(() => new Promise(() => {}));

  await eventually(async () => {
    const probed = await prober.carry(async (probe) => probe.length > 0 && connection.run(probeScript, [], probe));
    return probed !== false;
  }, 8000);
  t.deepEqual(errors, []);
});

for (const isRemoved of [false, true]) {
  const title = isRemoved
    ? "a subscription that ends while its probe is on its way is not taken for dead"
    : "a subscription whose probe does not come is dead: it is made again, and its listener told of the gap";
  test(title, async (t) => {
    const { manager, prober, errors } = await open(t, isRemoved ? "removed" : "kept");
    const gaps: string[] = [];
    const unwatch = await manager.watch("s1", { change: () => {}, gap: () => gaps.push("s1") });
    await manager.watch("s2", { change: () => {}, gap: () => gaps.push("s2") });
    const lost = (probe: Probe): Promise<unknown> => Promise.resolve(probe);

    await prober.carry(lost);
    if (isRemoved) await unwatch();

    await eventually(() => errors.length > 0, 5000);
    t.is(errors.length, 1);
    t.is(errors[0]!.message.includes("ch:0:s1"), !isRemoved);
    await eventually(() => gaps.length > 0, 5000);
    t.deepEqual(gaps, isRemoved ? ["s2"] : ["s1", "s2"]);
  });
}

test.serial("a probe that waits behind messages which take long to handle is not taken for lost", async (t) => {
  const { connection, subscriptions, prober, errors } = await open(t, "busy");
  let handled = 0;
  const message = (): void => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
    handled++;
  };
  let gaps = 0;
  await subscriptions.subscribe(["busy"], { message, gap: () => gaps++ });
  // More than is read from a socket before timers have their turn.
  const large = "x".repeat(3_000_000);

  const sent = [1, 2, 3].map(() => connection.publish("busy", large));
  await prober.carry((probe) => connection.run(probeScript, [], probe));
  await Promise.all(sent);

  t.true(handled < 3, "Redis has answered first");
  await eventually(async () => {
    const probed = await prober.carry(async (probe) => probe.length > 0 && connection.run(probeScript, [], probe));
    return probed !== false;
  }, 5000);
  t.is(handled, 3);
  t.deepEqual(errors, []);
  t.is(gaps, 0);
});

test("a process that nothing carries probes for sends one itself every few seconds", async (t) => {
  const { manager } = await open(t, "alone");
  await manager.watchAll({ change: () => {} });
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  const seenAt: number[] = [];
  client.on("message", () => seenAt.push(performance.now()));
  await client.subscribe("alone:ch:0:");

  await eventually(() => seenAt.length >= 2, 15_000);

  t.true(seenAt[1]! - seenAt[0]! > 4000);
});
