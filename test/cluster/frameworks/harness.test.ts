import { createRequire } from "node:module";
import test, { type ExecutionContext } from "ava";
import { startRedis } from "../../support/redis-server.js";
import { eventually, numbers } from "../cluster.js";
import type { BurstMessage } from "./burst.js";
import { connectOverAll } from "./clients.js";
import { FrameworkClient } from "./framework-client.js";
import { startFrameworkCluster, type FrameworkCluster } from "./framework-cluster.js";

const require = createRequire(import.meta.url);

const CLIENTS = 100;
const PUSHES = 10;

// One after the other: each cluster is several processes.
test.serial("Pomelo with the original plugin: each client gets each push exactly once and in order", async (t) => {
  const { connectors, backends } = await startWithOriginal(t, { connectors: 3, backends: 2 });
  const clients = await connectOverAll(t, connectors, CLIENTS);
  const [backend, other] = backends.map(({ process }) => process);

  const added = await Promise.all(clients.map(({ uid, sid }) => backend!.call("call", "add", "room", uid, sid)));
  t.deepEqual(added[0], { error: null, results: [], callbacks: 1 });
  const members = await other!.call("call", "getMembersBySid", "room", "connector-2");
  t.deepEqual(
    (members.results[0] as string[]).toSorted(),
    clients
      .filter(({ sid }) => sid === "connector-2")
      .map(({ uid }) => uid)
      .toSorted(),
  );

  const pushes = { pushes: PUSHES, outstanding: 1, stype: "connector", route: "chat", name: "room", size: 20 };
  const { failures, latenciesMs, startedAt, endedAt } = await backend!.call("burst", pushes);
  const last = await backend!.call("call", "pushMessage", "connector", "end", { last: true }, "room", {});

  t.is(failures, 0);
  t.is(latenciesMs.length, PUSHES);
  t.true(latenciesMs.every((latency) => latency > 0 && latency <= endedAt - startedAt));
  t.deepEqual(last, { error: null, results: [[]], callbacks: 1 });
  // Whoever got a push twice has the second one before this one.
  await eventually(() => clients.every((client) => client.of("end").length === 1), 5000);
  for (const client of clients) {
    const received = client.of("chat") as BurstMessage[];
    t.deepEqual(
      received.map(({ n }) => n),
      numbers(PUSHES),
      client.uid,
    );
    t.true(received.every(({ at, pad }) => at >= startedAt && at <= endedAt && pad.length === 20));
    t.is(client.received.length, PUSHES + 1, client.uid);
  }
});

test.serial(
  "Pomelo: a killed connector is gone for the other servers, and one that is started again is back",
  async (t) => {
    const cluster = await startWithOriginal(t, { connectors: 2, backends: 1 });
    const { connectors, backends } = cluster;
    const [killed, stays] = connectors;
    const [client] = await connectOverAll(t, [killed!], 1);
    const known = () => backends[0]!.process.call("getServers");
    t.deepEqual((await known()).toSorted(), ["chat-1", "connector-1", "connector-2"]);
    const { pid } = killed!.process;

    await killed!.kill();
    await client!.closed;
    await cluster.settled();
    t.true(client!.terminated);
    t.deepEqual((await known()).toSorted(), ["chat-1", "connector-2"]);
    t.deepEqual((await stays!.process.call("getServers")).toSorted(), ["chat-1", "connector-2"]);

    await cluster.restart("connector-1");
    t.deepEqual((await known()).toSorted(), ["chat-1", "connector-1", "connector-2"]);
    t.not(killed!.process.pid, pid);
    const again = await FrameworkClient.connect(t, "again", killed!);
    await backends[0]!.process.call("call", "add", "room", again.uid, again.sid);
    await backends[0]!.process.call("call", "pushMessage", "connector", "chat", { n: 1 }, "room", {});
    await eventually(() => again.of("chat").length === 1, 5000);

    await stays!.stop();
    await cluster.settled();
    t.deepEqual((await known()).toSorted(), ["chat-1", "connector-1"]);
  },
);

test.serial(
  "Pinus without a plugin: clients enter, several of one user too, and get what the framework pushes",
  async (t) => {
    const { connectors, backends } = await startFrameworkCluster(t, {
      framework: "pinus",
      connectors: 2,
      backends: 1,
      heartbeatSeconds: 1,
    });
    const clients = await connectOverAll(t, connectors, 10);
    const second = await FrameworkClient.connect(t, clients[0]!.uid, connectors[0]!);

    const everyone = clients.map(({ uid, sid }) => ({ uid, sid }));
    for (const n of numbers(3)) await backends[0]!.process.call("pushByUids", "news", { n }, everyone);

    const all = [...clients, second];
    await eventually(() => all.every((client) => client.of("news").length === 3), 5000);
    for (const client of all) t.deepEqual(client.of("news"), [{ n: 1 }, { n: 2 }, { n: 3 }], client.uid);
    await t.throwsAsync(backends[0]!.process.call("call", "add", "room", "u", "connector-1"), {
      message: "this server has no globalChannelService",
    });
    // Whoever answers none for two seconds is cut off.
    await eventually(() => all.every(({ heartbeats }) => heartbeats >= 3), 10_000);
    t.false(all.some(({ terminated }) => terminated));
  },
);

/** A Pomelo application on a Redis of its own. */
async function startWithOriginal(
  t: ExecutionContext,
  size: { connectors: number; backends: number },
): Promise<FrameworkCluster> {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  return startFrameworkCluster(t, {
    framework: "pomelo",
    plugin: require.resolve("pomelo-globalchannel-plugin"),
    options: { host: redis.host, port: redis.port },
    ...size,
  });
}
