// What pomelo-globalchannel-plugin gets wrong, done right; where it is cheap, also shown of the original.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import test, { type ExecutionContext } from "ava";
import type { PushReport } from "../../../src/index.js";
import { startRedis } from "../../support/redis-server.js";
import { eventually } from "../cluster.js";
import { checkBuilt } from "./built.js";
import { connectOverAll, memberships } from "./clients.js";
import { MADE_WITH, UNREADABLE, type CustomManagers } from "./custom-managers.js";
import { FrameworkClient } from "./framework-client.js";
import { startFrameworkCluster, type FrameworkServer } from "./framework-cluster.js";
import { Shared } from "./shared.js";
import type { Teardown } from "./teardown.js";

const ORIGINAL = createRequire(import.meta.url).resolve("pomelo-globalchannel-plugin");
const SETUP = fileURLToPath(new URL("custom-managers.ts", import.meta.url));
/** How many clients each connector has. */
const CLIENTS = 3;
const TIMEOUT_MS = 1000;

test.before(checkBuilt);

for (const [framework, transport] of [
  ["pomelo", "rpc"],
  ["pomelo", "redis"],
  ["pinus", "rpc"],
] as const) {
  const over = `${framework} over ${transport}`;

  const stage = new Shared(async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    // Nothing is removed by the way because it is old.
    const options = { redis: redis.url, transport, leaseMs: 3000, graceMs: 600_000 };
    const plugin = `globalchannel/${framework}`;
    const cluster = await startFrameworkCluster(t, { framework, plugin, options, backends: 1 });
    const clients = await connectOverAll(t, cluster.connectors, 3 * CLIENTS);
    const [backend] = cluster.backends;
    await backend!.ask("addMany", [...memberships("room", clients), ...memberships("doomed", clients)]);
    return { redis, cluster, clients, backend: backend!, store: connectTo(t, redis.url) };
  });
  test.after.always(() => stage.end());

  test.serial(`${over} › where there is no frontend of the type, a push succeeds and was for nobody`, async (t) => {
    const { backend } = await stage.get();

    const outcome = await backend.askWithCallback("pushMessage", "gate", "chat", {}, "room", {});
    const report = await backend.ask("pushMessage", "gate", "chat", {}, "room");

    t.deepEqual(outcome, { error: null, results: [[]], callbacks: 1 });
    const nobody = { targeted: 0, delivered: 0, failed: 0, unknown: 0, failIds: [], unlisted: 0, frontends: [] };
    t.deepEqual(report, nobody);
  });

  test.serial(
    `${over} › a push to a frontend that never answers calls back at its deadline, and its users are in failIds`,
    async (t) => {
      const { cluster, clients, backend } = await stage.get();
      const [hangs] = cluster.connectors;
      const theirs = uidsAt(clients, [hangs!]);
      freeze(t, hangs!);

      const startedAt = performance.now();
      const [outcome, report] = await Promise.all([
        backend.askWithCallback("pushMessage", "connector", "chat", {}, "room", { timeoutMs: TIMEOUT_MS }),
        backend.ask<PushReport>("pushMessage", "connector", "chat", {}, "room", { timeoutMs: TIMEOUT_MS }),
      ]);
      const tookMs = performance.now() - startedAt;

      t.true(tookMs > 0.9 * TIMEOUT_MS && tookMs < 2 * TIMEOUT_MS, `called back after ${tookMs} ms`);
      t.like(outcome, { error: null, callbacks: 1 });
      t.deepEqual((outcome.results[0] as string[]).toSorted(), theirs);
      t.like(report, { targeted: 9, delivered: 6, failed: 0, unknown: 3, unlisted: 0 });
      t.deepEqual(report.failIds.toSorted(), theirs);
      t.like(partOf(report, hangs!), { targeted: 3, delivered: 0, unknown: 3, error: { code: "GC_TIMEOUT" } });
    },
  );

  test.serial(
    `${over} › a push that two of three frontends do not answer has their users in failIds, and names both with errors`,
    async (t) => {
      const { cluster, clients, backend } = await stage.get();
      const hang = cluster.connectors.slice(0, 2);
      await eventually(async () => (await backend.ask("count", "room")) === clients.length, 10_000);
      for (const connector of hang) freeze(t, connector);

      const report = await backend.ask<PushReport>("pushMessage", "connector", "chat", {}, "room", {
        timeoutMs: TIMEOUT_MS,
      });

      t.like(report, { targeted: 9, delivered: 3, failed: 0, unknown: 6, unlisted: 0 });
      t.deepEqual(report.failIds.toSorted(), uidsAt(clients, hang));
      for (const connector of hang) {
        t.like(partOf(report, connector), { targeted: 3, unknown: 3, error: { code: "GC_TIMEOUT" } });
      }
    },
  );

  test.serial(
    `${over} › a push right after two of three frontends were killed has their users in failIds, and names both`,
    async (t) => {
      const { cluster, clients, backend } = await stage.get();
      const killed = cluster.connectors.slice(0, 2);
      const survivors = clients.filter(({ sid }) => sid === "connector-3");
      await eventually(async () => (await backend.ask("count", "room")) === clients.length, 10_000);
      // Nobody tells the backend.
      freeze(t, cluster.master);

      await Promise.all(killed.map((connector) => connector.kill()));
      const [outcome, report] = await Promise.all([
        backend.askWithCallback("pushMessage", "connector", "killed", {}, "room", { timeoutMs: TIMEOUT_MS }),
        backend.ask<PushReport>("pushMessage", "connector", "killed", {}, "room", { timeoutMs: TIMEOUT_MS }),
      ]);

      t.like(outcome, { error: null, callbacks: 1 });
      t.deepEqual((outcome.results[0] as string[]).toSorted(), uidsAt(clients, killed));
      t.like(report, { targeted: 9, delivered: 3, unlisted: 0 });
      t.is(report.failed + report.unknown, 6);
      t.deepEqual(report.failIds.toSorted(), uidsAt(clients, killed));
      for (const connector of killed) {
        const { error } = partOf(report, connector);
        t.true(["GC_FRONTEND_UNREACHABLE", "GC_TIMEOUT"].includes(error!.code), error!.message);
      }
      await eventually(() => survivors.every((client) => client.of("killed").length === 2), 5000);
    },
  );

  test.serial(`${over} › destroyChannel also removes the members at frontends that are down`, async (t) => {
    const { cluster, clients, backend, store } = await stage.get();
    await Promise.all(cluster.connectors.slice(0, 2).map((connector) => connector.kill()));
    await cluster.settled();
    const sets = ["connector-1", "connector-2", "connector-3"].map((sid) => `gc:{doomed}:m:${sid}`);
    t.is(await store.exists(...sets), 3);

    const destroyed = await backend.ask("destroyChannel", "doomed");

    t.is(destroyed, clients.length);
    // Only, for a while, that it was destroyed.
    t.deepEqual(await store.keys("gc:{doomed}:*"), ["gc:{doomed}:g"]);
  });

  test.serial(`${over} › a connector that was killed and is started again has no ghost members`, async (t) => {
    const { cluster, clients, backend, store } = await stage.get();
    const [restarted, down] = cluster.connectors;
    await Promise.all([restarted!.kill(), down!.kill()]);
    t.is(await store.scard("gc:{room}:m:connector-1"), CLIENTS);

    await cluster.start(restarted!.sid);

    t.is(await store.exists("gc:{room}:m:connector-1"), 0);
    t.deepEqual(await backend.ask("getMembersBySid", "room", "connector-1"), []);
    // The other one is counted until its lease ends, which may be a moment later.
    await eventually(async () => (await backend.ask("count", "room")) === CLIENTS, 10_000);
    const members = await backend.ask<string[]>("getMembersByChannelName", "connector", "room");
    t.deepEqual(members.toSorted(), uidsAt(clients, [cluster.connectors[2]!]));
    const report = await backend.ask<PushReport>("pushMessage", "connector", "chat", {}, "room");
    t.like(report, { targeted: CLIENTS, delivered: CLIENTS, failIds: [] });
  });

  test.serial(`${over} › without Redis a push is an error, and every callback is called once`, async (t) => {
    t.teardown(() => stage.end());
    const { backend, redis } = await stage.get();

    await redis.stop();
    const [push, members] = await Promise.all([
      backend.askWithCallback("pushMessage", "connector", "chat", {}, "room", {}),
      backend.askWithCallback("getMembersByChannelName", "connector", "room"),
    ]);

    t.like(push, { error: { code: "GC_STORE_UNAVAILABLE" }, callbacks: 1 });
    t.like(members, { error: { code: "GC_STORE_UNAVAILABLE" }, callbacks: 1 });
  });
}

const withManagers = new Shared(async (t) => {
  const options = {
    prefix: "unused",
    managers: {
      "connector-1": "object",
      "connector-2": "object",
      "connector-3": "object",
      "chat-1": "object",
      "chat-2": "factory",
    } satisfies CustomManagers["managers"],
  };
  const plugin = "globalchannel/pomelo";
  return startFrameworkCluster(t, { framework: "pomelo", plugin, options, setup: SETUP });
});
test.after.always(() => withManagers.end());

test.serial("a manager in callback style that has no start() works, given as an object or as a factory", async (t) => {
  const { connectors, backends } = await withManagers.get();
  for (const backend of backends) {
    const name = `room of ${backend.sid}`;
    const client = await FrameworkClient.connect(t, `user of ${backend.sid}`, connectors[0]!);

    t.like(await backend.askWithCallback("add", name, client.uid, client.sid), { error: null, callbacks: 1 });
    const members = await backend.askWithCallback("getMembersByChannelName", "connector", name);
    const pushed = await backend.askWithCallback("pushMessage", "connector", "chat", { n: 1 }, name, {});
    t.like(await backend.askWithCallback("leave", name, client.uid, client.sid), { error: null, callbacks: 1 });
    const left = await backend.askWithCallback("getMembersBySid", name, client.sid);
    t.like(await backend.askWithCallback("destroyChannel", name), { error: null, callbacks: 1 });

    t.deepEqual(members, { error: null, results: [[client.uid]], callbacks: 1 });
    t.deepEqual(pushed, { error: null, results: [[]], callbacks: 1 });
    t.deepEqual(left, { error: null, results: [[]], callbacks: 1 });
    await eventually(() => client.of("chat").length === 1, 5000);
    t.deepEqual(client.of("chat"), [{ n: 1 }]);
  }
});

test.serial("a factory of managers gets the application and the plugin's options", async (t) => {
  const { backends } = await withManagers.get();

  t.deepEqual(await backends[1]!.ask("getMembersBySid", MADE_WITH, "connector-1"), ["chat-2, unused"]);
});

test.serial("a push whose three reads all fail is an error, which its callback gets once", async (t) => {
  const { backends } = await withManagers.get();

  const outcome = await backends[0]!.askWithCallback("pushMessage", "connector", "chat", {}, UNREADABLE, {});

  t.regex(outcome.error!.message, /no table for connector-\d/);
  t.is(outcome.callbacks, 1);
});

test.serial("where three reads of getMembersByChannelName fail, its callback gets one error", async (t) => {
  t.teardown(() => withManagers.end());
  const { backends } = await withManagers.get();

  const outcome = await backends[0]!.askWithCallback("getMembersByChannelName", "connector", UNREADABLE);

  t.regex(outcome.error!.message, /no table for connector-\d/);
  t.is(outcome.callbacks, 1);
});

const original = new Shared(async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const options = {
    host: redis.host,
    port: redis.port,
    managers: { "chat-1": "object", "chat-2": "with start" } satisfies CustomManagers["managers"],
  };
  const cluster = await startFrameworkCluster(t, {
    framework: "pomelo",
    plugin: ORIGINAL,
    options,
    setup: SETUP,
    backends: 3,
  });
  return cluster;
});
test.after.always(() => original.end());

test.serial("the original › a manager that has no start() does not work", async (t) => {
  const cluster = await original.get();

  const outcome = await cluster.server("chat-1").askWithCallback("add", "room", "somebody", "connector-1");

  t.like(outcome, { error: { message: "invalid state" } });
});

test.serial("the original › a push whose three reads all fail is a success", async (t) => {
  const cluster = await original.get();
  const backend = cluster.server("chat-2");

  const outcome = await backend.askWithCallback("pushMessage", "connector", "chat", {}, UNREADABLE, {});

  t.deepEqual(outcome, { error: null, results: [[]], callbacks: 1 });
});

test.serial(
  "the original › where three reads of getMembersByChannelName fail, it calls back three times",
  async (t) => {
    const cluster = await original.get();
    const backend = cluster.server("chat-2");

    const outcome = await backend.askWithCallback("getMembersByChannelName", "connector", UNREADABLE);

    t.regex(outcome.error!.message, /no table for connector-\d/);
    t.is(outcome.callbacks, 3);
  },
);

test.serial("the original › members at a frontend that is down outlive their channel, as ghosts", async (t) => {
  t.teardown(() => original.end());
  const cluster = await original.get();
  const backend = cluster.server("chat-3");
  await backend.askWithCallback("add", "room", "somebody", "connector-1");
  await cluster.connectors[0]!.kill();
  await cluster.settled();

  await backend.askWithCallback("destroyChannel", "room");
  await cluster.start("connector-1");

  const members = await backend.askWithCallback("getMembersByChannelName", "connector", "room");
  t.deepEqual(members, { error: null, results: [["somebody"]], callbacks: 1 });
});

/** A process that hangs, until the test ends. */
function freeze(t: ExecutionContext, { process }: FrameworkServer): void {
  process.signal("SIGSTOP");
  t.teardown(() => process.signal("SIGCONT"));
}

function connectTo(t: Teardown, url: string): Redis {
  const store = new Redis(url);
  // The test stops it.
  store.on("error", () => {});
  t.teardown(() => store.disconnect());
  return store;
}

function uidsAt(clients: readonly FrameworkClient[], servers: readonly FrameworkServer[]): string[] {
  const sids = servers.map(({ sid }) => sid);
  return clients
    .filter(({ sid }) => sids.includes(sid))
    .map(({ uid }) => uid)
    .toSorted();
}

function partOf(report: PushReport, { sid }: FrameworkServer) {
  return report.frontends.find((frontend) => frontend.sid === sid)!;
}
