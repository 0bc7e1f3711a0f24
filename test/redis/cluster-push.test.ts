import { setImmediate as nextTurn } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import keySlot from "cluster-key-slot";
import { Cluster as RedisClusterClient } from "ioredis";
import { Frontend, GlobalChannelService } from "../../src/index.js";
import { redis, RedisConnection, RedisTransport } from "../../src/redis/index.js";
import { PartitionedLayout } from "../../src/redis/layout.js";
import { decodeBundle, decodeRequests, signOf } from "../../src/transports/redis/wire.js";
import type { Cluster } from "../../src/types.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.js";
import type { RedisNode } from "../support/redis-node.js";

// Pushes on a Redis Cluster while one of its servers hangs, or has lost a slot to another: in order, bounded, and nothing for nobody.

/** Longer than any server hangs here: the others do not take it for dead. */
const NODE_TIMEOUT_MS = 60_000;

let servers: RedisCluster;
test.before(async () => {
  servers = await startRedisCluster({ replicas: 0, nodeTimeoutMs: NODE_TIMEOUT_MS });
});
test.after.always(() => servers?.stop());

/** Where names are is the same for every prefix. */
const layout = new PartitionedLayout("any");

function slotOf(name: string): number {
  return keySlot(layout.of(name).sids);
}

/** The server where it is kept which frontends are alive, and another one. */
async function chooseServers(): Promise<{ steady: RedisNode; other: RedisNode }> {
  const steady = await servers.primaryOf(keySlot(layout.servers));
  return { steady, other: servers.nodes.find((node) => node !== steady)! };
}

/** A name of each partition at a server. */
async function namesAt(node: RedisNode): Promise<string[]> {
  const names = new Map(numbers(500).map((n) => [slotOf(`name-${n}`), `name-${n}`]));
  const owners = await Promise.all(
    [...names].map(async ([slot, name]) => [name, await servers.primaryOf(slot)] as const),
  );
  return owners.filter(([, owner]) => owner === node).map(([name]) => name);
}

/** Another name of the same partition. */
function neighbourOf(name: string): string {
  return numbers(10_000)
    .map((n) => `neighbour-${n}`)
    .find((other) => slotOf(other) === slotOf(name))!;
}

/** Makes a server hang until the end of the test, or before. */
function hang(t: ExecutionContext, node: RedisNode): void {
  t.teardown(() => node.resume());
  node.pause();
}

/** A client that waits for as long as a server hangs. */
function connectClient(t: ExecutionContext): RedisClusterClient {
  const client = new RedisClusterClient(servers.startupNodes, { slotsRefreshTimeout: 100 });
  client.on("error", () => {});
  t.teardown(() => client.disconnect());
  return client;
}

function joinCluster(t: ExecutionContext, prefix: string): Cluster {
  return redis(connectClient(t), { prefix });
}

async function startService(t: ExecutionContext, prefix: string): Promise<GlobalChannelService> {
  const service = new GlobalChannelService({ cluster: joinCluster(t, prefix), timeoutMs: 60_000 });
  t.teardown(() => service.stop(true));
  await service.start();
  return service;
}

/** A frontend with one user, ann. */
async function startFrontend(t: ExecutionContext, prefix: string, sid: string): Promise<RecordingConnector> {
  const connector = new RecordingConnector();
  const frontend = new Frontend({ sid, stype: "connector", cluster: joinCluster(t, prefix), connector });
  t.teardown(() => frontend.stop().catch(() => {}));
  await frontend.start();
  connector.connect("ann");
  return connector;
}

/** A connection to listen by what is published to inboxes. */
async function listenTo(t: ExecutionContext, prefix: string, sid: string) {
  const connection = new RedisConnection(connectClient(t), { prefix });
  await connection.open();
  t.teardown(() => connection.close());
  const inbox = connection.layout.of(sid).inbox(sid);
  const heard: string[] = [];
  await connection.subscriptions.subscribe([inbox], { message: (message) => void heard.push(message) });
  return { connection, inbox, heard };
}

/** The ids of the requests that a message brings. */
function idsIn(message: string): number[] {
  const sign = signOf(message);
  if (sign !== undefined) return sign === "&" ? decodeBundle(message).flatMap(idsIn) : [];
  const ids: number[] = [];
  decodeRequests(message, (_from, id) => ids.push(id));
  return ids;
}

test.serial(
  "a push is not overtaken by a later one to a channel of both that is read sooner, and ids rise as pushes are sent",
  async (t) => {
    const { steady, other } = await chooseServers();
    const [sid, shared, apart] = await namesAt(steady);
    const [slow] = await namesAt(other);
    const [service, clients] = [await startService(t, "order"), await startFrontend(t, "order", sid!)];
    await service.addMany([slow!, shared!, apart!].map((name) => ({ name, uid: "ann", sid: sid! })));
    const { heard } = await listenTo(t, "order", sid!);
    const push = (msg: string, names: string[]) => service.pushMessage("connector", "chat", msg, names);
    const received = () => clients.received("ann").map(({ msg }) => msg);
    t.is((await push("warm-up", [slow!, shared!, apart!])).delivered, 1);

    hang(t, other);
    const first = push("first", [slow!, shared!]);
    const second = push("second", [shared!]);
    // What has been read after the second one, and waits for nobody.
    const third = push("third", [apart!]);
    await eventually(() => received().includes("third"), 5000);
    t.deepEqual(received(), ["warm-up", "third"]);
    other.resume();

    t.deepEqual(
      (await Promise.all([first, second, third])).map(({ delivered }) => delivered),
      [1, 1, 1],
    );
    t.deepEqual(received(), ["warm-up", "third", "first", "second"]);
    await eventually(() => heard.flatMap(idsIn).length === 4, 5000);
    t.deepEqual(heard.flatMap(idsIn), numbers(4));
  },
);

test.serial("a message that is redirected, as its slot has moved, is not overtaken by the next one", async (t) => {
  const { steady, other } = await chooseServers();
  const [sid] = await namesAt(other);
  const { connection: listening, inbox, heard } = await listenTo(t, "redirected", sid!);
  const client = connectClient(t);
  await eventually(() => client.status === "ready", 5000);
  await servers.moveSlot(keySlot(inbox), steady);
  await servers.waitUntilOk();
  t.teardown(() => servers.moveSlot(keySlot(inbox), other));
  await eventually(async () => (await listening.publish(inbox, "found")) === 1, 5000);
  const connection = new RedisConnection(client, { prefix: "redirected" });
  await connection.open();
  t.teardown(() => connection.close());
  const transport = new RedisTransport(connection);

  // To where the slot was: that server will say where it is.
  hang(t, other);
  const first = transport.sendTo(sid!, "first");
  await new Promise<void>((resolve) => client.refreshSlotsCache(() => resolve()));
  const second = transport.sendTo(sid!, "second");
  t.is(await connection.publish(inbox, "by the way"), 1);
  await eventually(() => heard.includes("by the way"), 5000);
  other.resume();

  t.deepEqual(await Promise.all([first, second]), [1, 1]);
  await eventually(() => heard.includes("second"), 5000);
  t.deepEqual(
    heard.filter((message) => message !== "found"),
    ["by the way", "first", "second"],
  );
});

test.serial("messages to a server that hangs fail together; none waits for it anew behind the first", async (t) => {
  const { other } = await chooseServers();
  const [sid] = await namesAt(other);
  const connection = new RedisConnection({ cluster: servers.startupNodes }, { prefix: "away" });
  await connection.open();
  t.teardown(() => connection.close());
  const transport = new RedisTransport(connection);
  const send = (message: string) => transport.sendTo(sid!, message).then(String, (error: Error) => error);
  t.is(await send("warm-up"), "0");

  hang(t, other);
  // Too large to go together.
  const sending = numbers(3).map(() => send("x".repeat(600_000)));
  const afterwards = sending[0]!.then(() => send("called for after the first has failed"));
  await nextTurn();
  sending.push(send("called for while those are under way"));
  const [first, ...others] = await Promise.all(sending);
  const later = await afterwards;
  other.resume();

  t.like(first, { code: "GC_STORE_UNAVAILABLE", temporary: true });
  // Each that is sent fails with an error of its own.
  t.true(others.every((error) => error === first));
  t.like(later, { code: "GC_STORE_UNAVAILABLE" });
  t.not(later, first, "what is called for after that is tried");
  await eventually(async () => (await send("again")) === "0", 5000);
});

test.serial(
  "what waits for an inbox whose server hangs is bounded by its size, and refused with its code",
  async (t) => {
    const { steady, other } = await chooseServers();
    const [room] = await namesAt(steady);
    const [sid] = await namesAt(other);
    const service = await startService(t, "bound");
    await startFrontend(t, "bound", sid!);
    await service.add(room!, "ann", sid!);
    const cluster = joinCluster(t, "bound");
    await cluster.transport.start?.();
    t.teardown(() => cluster.transport.stop?.());
    const push = (body: string) =>
      cluster.fusedPush!.push({
        names: [room!],
        stype: "connector",
        route: "chat",
        body,
        except: [],
        timeoutMs: 60_000,
        ack: false,
      });
    const large = JSON.stringify("x".repeat(4_000_000));

    hang(t, other);
    // Each has been read, and sent to its inbox, before the next one is called for.
    for (const n of numbers(33)) t.is((await push(large)).parts.length, 1, `push ${n}`);
    await t.throwsAsync(push(large), {
      code: "GC_OVERLOADED",
      message: /in characters: the limit of 134217728 is reached/,
    });
    t.is((await push("1")).parts.length, 1);

    other.resume();
    await eventually(async () => (await push(large)).parts.length === 1, 10_000);
  },
);

test.serial(
  "a frontend for which nothing is left of a message, as its pushes have waited too long, gets none",
  async (t) => {
    const { steady, other } = await chooseServers();
    const [given, unused] = await namesAt(steady);
    const [room] = await namesAt(other);
    const hall = neighbourOf(room!);
    const service = await startService(t, "empty");
    const [first, second] = [await startFrontend(t, "empty", given!), await startFrontend(t, "empty", unused!)];
    await service.addMany([
      { name: room!, uid: "ann", sid: given! },
      { name: hall, uid: "ann", sid: unused! },
    ]);
    const { heard } = await listenTo(t, "empty", unused!);
    const push = (msg: string, name: string, timeoutMs: number) =>
      service.pushMessage("connector", "chat", msg, name, { timeoutMs });

    hang(t, other);
    const together = [push("late", hall, 50), push("in time", room!, 60_000)];
    await t.throwsAsync(together[0]!, { code: "GC_TIMEOUT" });
    other.resume();
    t.is((await together[1]!).delivered, 1);
    t.is((await push("next", hall, 60_000)).delivered, 1);

    await eventually(() => heard.length > 0, 5000);
    t.is(heard.length, 1, heard.join());
    const received = (clients: RecordingConnector) => clients.received("ann").map(({ msg }) => msg);
    t.deepEqual([received(first), received(second)], [["in time"], ["next"]]);
  },
);
