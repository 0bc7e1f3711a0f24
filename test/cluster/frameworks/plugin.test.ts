import { Redis } from "ioredis";
import test from "ava";
import type { PushReport } from "../../../src/index.js";
import { startRedis } from "../../support/redis-server.js";
import { eventually, numbers } from "../cluster.js";
import { checkBuilt } from "./built.js";
import type { BurstMessage } from "./burst.js";
import { connectAt, connectOverAll, memberships } from "./clients.js";
import { FrameworkClient } from "./framework-client.js";
import { startFrameworkCluster, type FrameworkServer } from "./framework-cluster.js";
import { Shared } from "./shared.js";
import type { Teardown } from "./teardown.js";

const CLIENTS = 102;
const PUSHES = 150;
const PASSWORD = "secret";
const LEAVE_DELAY_MS = 500;

test.before(checkBuilt);

for (const framework of ["pomelo", "pinus"] as const) {
  for (const transport of ["rpc", "redis"] as const) {
    const over = `${framework} over ${transport}`;

    const stage = new Shared(async (t) => {
      const redis = await startRedis();
      t.teardown(() => redis.stop());
      const history = { "log *": { size: 2, ttlMs: 60_000 } };
      const options = { redis: redis.url, transport, history, leaseMs: 3000 };
      const cluster = await startFrameworkCluster(t, { framework, plugin: `globalchannel/${framework}`, options });
      return { cluster, store: connectTo(t, redis.url) };
    });
    test.after.always(() => stage.end());

    test.serial(
      `${over} › each of ${CLIENTS} clients gets each push exactly once and each backend's in order, no other does`,
      async (t) => {
        const { connectors, backends } = (await stage.get()).cluster;
        const [backend] = backends;
        const clients = await connectOverAll(t, connectors, CLIENTS);
        const second = await FrameworkClient.connect(t, clients[0]!.uid, connectors[0]!);
        const outsider = await FrameworkClient.connect(t, "outsider", connectors[1]!);
        await backend!.ask("addMany", [...memberships("world", clients), ...memberships("elsewhere", [outsider])]);

        const load = { pushes: PUSHES, outstanding: 8, stype: "connector", name: "world", size: 20 };
        const bursts = await Promise.all(
          backends.map(({ sid, process }) => process.call("burst", { ...load, route: sid })),
        );
        const { frontends, ...report } = await push(backend!, "report", "world");
        const outcome = await backend!.askWithCallback("pushMessage", "connector", "end", {}, "world", {});
        await push(backend!, "end", "elsewhere");

        t.deepEqual(
          bursts.map(({ failures }) => failures),
          [0, 0],
        );
        t.deepEqual(outcome, { error: null, results: [[]], callbacks: 1 });
        t.deepEqual(report, {
          targeted: CLIENTS,
          delivered: CLIENTS,
          failed: 0,
          unknown: 0,
          failIds: [],
          unlisted: 0,
        });
        const each = { targeted: CLIENTS / 3, delivered: CLIENTS / 3, failed: 0, unknown: 0 };
        t.deepEqual(
          frontends.toSorted((a, b) => a.sid.localeCompare(b.sid)),
          connectors.map(({ sid }) => ({ sid, ...each })),
        );
        // Whoever got more than this would have it before the last message.
        const receivers = [...clients, second];
        await eventually(() => [...receivers, outsider].every((client) => client.of("end").length === 1), 10_000);
        for (const client of receivers) {
          for (const { sid } of backends) {
            const received = client.of(sid) as BurstMessage[];
            t.deepEqual(
              received.map(({ n }) => n),
              numbers(PUSHES),
              `${sid} to ${client.uid}`,
            );
          }
          t.is(client.received.length, 2 * PUSHES + 2, client.uid);
        }
        t.is(outsider.received.length, 1);
      },
    );

    test.serial(`${over} › a push that is kept, and done once, reaches clients as any other`, async (t) => {
      const { connectors, backends } = (await stage.get()).cluster;
      const [first, second] = backends;
      const client = await FrameworkClient.connect(t, "keeper", connectors[0]!);
      await first!.ask("addMany", [...memberships("vault", [client]), ...memberships("yard", [client])]);
      const options = { history: { size: 10, ttlMs: 60_000 }, idempotencyKey: "key" };
      const pushTo = (backend: FrameworkServer, name: unknown, msg: unknown) =>
        backend.ask("pushMessage", "connector", "kept", msg, name, options) as Promise<PushReport>;

      const report = await pushTo(first!, "vault", { n: 1 });
      const again = await pushTo(second!, "vault", { n: "again" });
      await pushTo(second!, ["vault", "yard"], { n: 2 });
      await push(first!, "end", "vault");

      t.like(report, { targeted: 1, delivered: 1, positions: [{ name: "vault", offset: 1 }] });
      t.true(again.repeated);
      await eventually(() => client.of("end").length === 1, 10_000);
      t.deepEqual(client.of("kept"), [{ n: 1 }, { n: 2 }]);
      const { messages } = await second!.ask<Kept>("history", "vault");
      t.deepEqual(
        messages.map(({ msg }) => msg),
        [{ n: 1 }, { n: 2 }],
      );
    });

    test.serial(`${over} › a channel keeps what the options say, for those who come back`, async (t) => {
      const { connectors, backends } = (await stage.get()).cluster;
      const [backend] = backends;
      const client = await FrameworkClient.connect(t, "reader", connectors[1]!);
      await backend!.ask("addMany", memberships("log 1", [client]));
      for (const n of [1, 2, 3]) await backend!.ask("pushMessage", "connector", "logged", { n }, "log 1");

      const { messages, position } = await backend!.ask<Kept>("history", "log 1");
      const recovered = await backend!.ask<Kept>("recover", "log 1", { ...position, offset: 0 });

      t.deepEqual(
        messages.map(({ msg }) => msg),
        [{ n: 2 }, { n: 3 }],
      );
      t.deepEqual([recovered.messages, recovered.gap], [[], "trimmed"]);
      await eventually(() => client.of("logged").length === 3, 10_000);
      t.deepEqual(client.of("logged"), [{ n: 1 }, { n: 2 }, { n: 3 }]);
    });

    test.serial(
      `${over} › each method of the original calls back once, on every server but the master, which has no service`,
      async (t) => {
        const { connectors, backends, master } = (await stage.get()).cluster;
        const { uid, sid } = await FrameworkClient.connect(t, "somebody", connectors[0]!);

        const outcomes = [...connectors, ...backends].map(async (server) => {
          const name = `the channel of ${server.sid}`;
          const call = async (...args: [method: string, ...unknown[]]) => {
            const { error, results, callbacks } = await server.askWithCallback(...args);
            return [args[0], error, ...results, `${callbacks} ×`];
          };
          return [
            await call("add", name, uid, sid),
            await call("getMembersBySid", name, sid),
            await call("getMembersByChannelName", "connector", name),
            await call("leave", name, uid, sid),
            await call("getMembersBySid", name, sid),
            await call("add", name, uid, sid),
            await call("destroyChannel", name),
            await call("getMembersByChannelName", "connector", name),
          ];
        });

        for (const outcome of await Promise.all(outcomes)) {
          t.deepEqual(outcome, [
            ["add", null, true, "1 ×"],
            ["getMembersBySid", null, [uid], "1 ×"],
            ["getMembersByChannelName", null, [uid], "1 ×"],
            ["leave", null, true, "1 ×"],
            ["getMembersBySid", null, [], "1 ×"],
            ["add", null, true, "1 ×"],
            ["destroyChannel", null, 1, "1 ×"],
            ["getMembersByChannelName", null, [], "1 ×"],
          ]);
        }
        await t.throwsAsync(master.ask("count", "room"), { message: "this server has no globalChannelService" });
      },
    );

    test.serial(
      `${over} › a client that disconnects is out within a second, but not a user with another session`,
      async (t) => {
        const { cluster, store } = await stage.get();
        const { connectors, backends } = cluster;
        const [backend] = backends;
        const [goes, stays] = await connectAt(t, connectors[0]!, ["goes", "stays"]);
        const second = await FrameworkClient.connect(t, stays!.uid, connectors[0]!);
        await backend!.ask("addMany", [...memberships("room", [goes!, stays!]), ...memberships("hall", [goes!])]);
        t.deepEqual(await store.smembers("gc:{hall}:m:connector-1"), ["goes"]);

        await second.close();
        await goes!.close();
        await eventually(async () => (await backend!.ask("count", "room")) === 1, 1000);
        await eventually(async () => (await store.keys("gc:{hall}:*")).length === 0, 1000);

        t.deepEqual(await backend!.ask("getMembersBySid", "room", "connector-1"), ["stays"]);
        t.deepEqual(await store.smembers("gc:{room}:m:connector-1"), ["stays"]);
        t.like(await push(backend!, "chat", "room"), { targeted: 1, delivered: 1 });
        await eventually(() => stays!.of("chat").length === 1, 5000);
      },
    );

    test.serial(
      `${over} › SIGKILL of a connector: no push counts its users as delivered, and after its restart it has no ghosts`,
      async (t) => {
        const { cluster } = await stage.get();
        const { connectors, backends } = cluster;
        const [backend, other] = backends;
        const clients = await connectOverAll(t, connectors, 15);
        const killed = connectors[1]!;
        const dead = clients.filter(({ sid }) => sid === killed.sid).map(({ uid }) => uid);
        const alive = clients.filter(({ sid }) => sid !== killed.sid);
        await backend!.ask("addMany", memberships("arena", clients));

        await killed.kill();
        const [report, outcome] = await Promise.all([
          push(backend!, "while down", "arena"),
          other!.askWithCallback("pushMessage", "connector", "while down too", {}, "arena", {}),
        ]);
        await cluster.start(killed.sid);
        const [count, members] = await Promise.all([
          backend!.ask("count", "arena"),
          backend!.ask<string[]>("getMembersByChannelName", "connector", "arena"),
        ]);
        const afterRestart = await push(backend!, "restarted", "arena");
        const back = await connectAt(t, killed, dead.slice(0, 2));
        await backend!.ask("addMany", memberships("arena", back));
        const afterReturn = await push(backend!, "end", "arena");

        const { targeted, delivered, failed, unknown, failIds, unlisted } = report;
        t.is(delivered, alive.length);
        t.is(delivered + failed + unknown, targeted);
        t.is(unlisted, 0);
        t.deepEqual(failIds.toSorted(), targeted === alive.length ? [] : dead.toSorted());
        t.is(outcome.error, null);
        t.is(outcome.callbacks, 1);
        t.deepEqual(
          (outcome.results[0] as string[]).filter((uid) => !dead.includes(uid)),
          [],
        );
        t.is(count, alive.length);
        t.deepEqual(members.toSorted(), alive.map(({ uid }) => uid).toSorted());
        t.like(afterRestart, { targeted: alive.length, delivered: alive.length, failIds: [] });
        t.like(afterReturn, { targeted: alive.length + 2, delivered: alive.length + 2, failIds: [] });
        await eventually(() => [...alive, ...back].every((client) => client.of("end").length === 1), 5000);
        for (const { uid, received } of alive) {
          const routes = received.map(({ route }) => route).toSorted();
          t.deepEqual(routes, ["end", "restarted", "while down", "while down too"], uid);
        }
        for (const { uid, received } of back) {
          t.deepEqual(
            received.map(({ route }) => route),
            ["end"],
            uid,
          );
        }
      },
    );

    test.serial(
      `${over} › a connector that stops gracefully has no members any more when it has stopped`,
      async (t) => {
        t.teardown(() => stage.end());
        const { cluster, store } = await stage.get();
        const { connectors, backends } = cluster;
        const [backend] = backends;
        const clients = await connectOverAll(t, connectors, 9);
        const stays = clients.filter(({ sid }) => sid !== "connector-3").map(({ uid }) => uid);
        await backend!.ask("addMany", memberships("lobby", clients));

        await connectors[2]!.stop();

        t.is(await backend!.ask("count", "lobby"), stays.length);
        const members = await backend!.ask<string[]>("getMembersByChannelName", "connector", "lobby");
        t.deepEqual(members.toSorted(), stays.toSorted());
        t.deepEqual(await store.keys("*:connector-3"), []);
        t.like(await push(backend!, "chat", "lobby"), { targeted: stays.length, delivered: stays.length, failIds: [] });
      },
    );

    // Another cluster, with every option that the first one leaves at its default.
    const adjusted = new Shared(async (t) => {
      const redis = await startRedis({ args: ["--requirepass", PASSWORD] });
      t.teardown(() => redis.stop());
      const options = {
        host: redis.host,
        port: String(redis.port),
        db: "3",
        auth_pass: PASSWORD,
        prefix: "game",
        transport,
        serverTypes: ["connector"],
        autoLeave: false,
        cleanOnStartUp: true,
        leaseMs: 1000,
        leaveDelayMs: LEAVE_DELAY_MS,
        // Longer than the tests take: nothing but the start of a server cleans up.
        graceMs: 600_000,
      };
      const cluster = await startFrameworkCluster(t, {
        framework,
        plugin: `globalchannel/${framework}`,
        options,
        backends: 1,
      });
      return { cluster, store: connectTo(t, `redis://:${PASSWORD}@${redis.host}:${redis.port}/3`) };
    });
    test.after.always(() => adjusted.end());

    test.serial(
      `${over} › host, port, db and auth_pass say where Redis is, prefix what every key begins with`,
      async (t) => {
        const { cluster, store } = await adjusted.get();
        const [connector] = cluster.connectors;
        const client = await FrameworkClient.connect(t, "somebody", connector!);
        await connector!.ask("add", "room", client.uid, client.sid);

        const report = await push(connector!, "chat", "room");

        t.like(report, { targeted: 1, delivered: 1 });
        await eventually(() => client.of("chat").length === 1, 5000);
        t.regex(await store.info("keyspace"), /^# Keyspace\r\ndb3:\S+\r\n$/);
        t.deepEqual(
          (await allKeys(store)).filter((key) => !key.startsWith("game:")),
          [],
        );
        t.deepEqual(await store.smembers("game:{room}:m:connector-1"), ["somebody"]);
      },
    );

    test.serial(`${over} › serverTypes leaves servers of other types without a service`, async (t) => {
      const { cluster } = await adjusted.get();

      for (const server of [cluster.master, ...cluster.backends]) {
        await t.throwsAsync(server.ask("count", "room"), { message: "this server has no globalChannelService" });
      }
    });

    test.serial(
      `${over} › autoLeave false: a member stays when its client has gone, until it is told to leave`,
      async (t) => {
        const { connectors } = (await adjusted.get()).cluster;
        const [connector] = connectors;
        const client = await FrameworkClient.connect(t, "faithful", connector!);
        await connector!.ask("add", "club", "faithful", client.sid);
        t.deepEqual(await connector!.ask("getSids", "faithful"), ["connector-1"]);

        await client.close();
        await eventually(async () => (await connector!.ask<string[]>("getSids", "faithful")).length === 0, 5000);
        const report = await push(connector!, "chat", "club");

        t.like(report, { targeted: 1, delivered: 0, failed: 1, failIds: ["faithful"] });
        t.like(await push(connector!, "chat", "club"), { targeted: 1, failed: 1 });
        t.deepEqual(await connector!.ask("getMembersBySid", "club", "connector-1"), ["faithful"]);
        t.true(await connector!.ask("leave", "club", "faithful", "connector-1"));
        t.is(await connector!.ask("count", "club"), 0);
      },
    );

    test.serial(`${over} › leaveDelayMs: who comes back in time has not left, for those who listen`, async (t) => {
      const [connector] = (await adjusted.get()).cluster.connectors;
      const { process: server, sid } = connector!;
      await server.call("watchLeaves");
      for (const uid of ["stays", "goes"]) {
        await connector!.ask("add", "lodge", uid, sid);
        t.true(await connector!.ask("leave", "lodge", uid, sid));
      }
      const leftAt = performance.now();
      t.true(await connector!.ask("add", "lodge", "stays", sid));

      await eventually(async () => (await server.call("getLeaves")).includes("goes"), 5000);
      t.true(performance.now() - leftAt >= LEAVE_DELAY_MS / 2);
      t.deepEqual(await server.call("getLeaves"), ["goes"]);
    });

    test.serial(
      `${over} › cleanOnStartUp removes what dead frontends left, not what is of live ones or of other prefixes`,
      async (t) => {
        t.teardown(() => adjusted.end());
        const { cluster, store } = await adjusted.get();
        const [live, starts, dies] = cluster.connectors;
        await live!.ask("addMany", [
          { name: "room", uid: "alive", sid: live!.sid },
          { name: "room", uid: "dead", sid: dies!.sid },
          { name: "room", uid: "never heard of", sid: "connector-9" },
        ]);
        await store.sadd("games:{room}:m:connector-9", "of another application");
        await dies!.kill();
        await starts!.stop();
        const [leaseEndsAt] = (await store.hget("game:servers", dies!.sid))!.split(" ");
        await eventually(() => Date.now() > Number(leaseEndsAt), 5000);

        await cluster.start(starts!.sid);

        const keys = await allKeys(store);
        t.deepEqual(
          keys.filter((key) => key.includes("connector-9") || key.includes(dies!.sid)),
          ["games:{room}:m:connector-9"],
        );
        t.true((await live!.ask<string[]>("getMembersBySid", "room", live!.sid)).includes("alive"));
        t.false((await store.info("commandstats")).includes("cmdstat_keys:"));
      },
    );
  }

  test.serial(
    `${framework} › an unknown option keeps servers from starting, and the error names the nearest`,
    async (t) => {
      const options = { timeoutMS: 1000 };

      const starting = startFrameworkCluster(t, { framework, plugin: `globalchannel/${framework}`, options });

      const error = await t.throwsAsync(starting, { code: "GC_INVALID_OPTION" });
      t.regex(error.message, /"timeoutMS" \(did you mean timeoutMs\?\)/);
    },
  );
}

function connectTo(t: Teardown, url: string): Redis {
  const store = new Redis(url);
  t.teardown(() => store.disconnect());
  return store;
}

/** Every key, without the command KEYS. */
async function allKeys(store: Redis): Promise<string[]> {
  const [cursor, keys] = await store.scan(0, "COUNT", 10_000);
  if (cursor !== "0") throw new Error("there are more keys than this test expects");
  return keys.toSorted();
}

/** What is kept of a channel. */
interface Kept {
  messages: { msg: unknown }[];
  position: object;
  gap?: string;
}

function push(from: FrameworkServer, route: string, name: string): Promise<PushReport> {
  return from.ask("pushMessage", "connector", route, {}, name);
}
