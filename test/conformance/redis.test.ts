import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import test from "ava";
import { ALL_BUT_USER_INDEX } from "../../src/capabilities.js";
import {
  channelManagerConformance,
  missingCapabilities,
  rpcTransportConformance,
  serverRegistryConformance,
  type ConformanceCase,
  type MakeHarness,
} from "../../src/conformance/index.js";
import { RedisChannelManager, RedisConnection, RedisServerRegistry, RedisTransport } from "../../src/redis/index.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";

let server: RedisServer;
/** A connection that is not under test. */
let admin: Redis;

test.before(async () => {
  server = await startRedis();
  admin = new Redis(server.port, server.host);
});
test.after.always(async () => {
  admin?.disconnect();
  await server?.stop();
});

type Part<T> = new (connection: RedisConnection) => T;

/** Closes every connection but the one that asks for it; there are no others than those of the case that runs. */
async function interrupt(): Promise<void> {
  await Promise.all(["pubsub", "normal"].map((type) => admin.call("CLIENT", "KILL", "TYPE", type)));
}

/** Instances with connections of their own, as in different processes. */
function byUrl<T>(Part: Part<T>): MakeHarness<T> {
  return () => ({
    open: () => new Part(new RedisConnection(server.url)),
    close: async () => void (await admin.flushall()),
    interrupt,
  });
}

/** The same on a Redis where others have keys that look much the same, which must stay as they are. */
function byPrefix<T>(Part: Part<T>): MakeHarness<T> {
  return async () => {
    const prefix = `test:${randomUUID()}`;
    const others = [prefix.slice(0, -1), `${prefix}:`, `${prefix}-`, `${prefix}:test`, prefix.toUpperCase()];
    const keys = others.flatMap((other) => [`${other}:sids`, `${other}:{room}:m:s1`, `${other}:{room}:s`]);
    await admin.mset(Object.fromEntries(keys.map((key) => [key, "another's"])));
    return {
      open: () => new Part(new RedisConnection(server.url, { prefix })),
      close: async () => {
        const values = await admin.mget(keys);
        await admin.flushall();
        if (values.some((value) => value !== "another's")) throw new Error("a key of another prefix was changed");
      },
      interrupt,
    };
  };
}

/** Instances on one client that the application has made, with a database of its own. */
function byInjectedClient<T>(Part: Part<T>): MakeHarness<T> {
  return () => {
    const prefix = randomUUID();
    const client = new Redis(server.port, server.host, { db: 3 });
    client.on("error", () => {});
    return {
      open: () => new Part(new RedisConnection(client, { prefix })),
      close: async () => {
        // It must still be usable: only its owner closes it.
        await client.ping();
        client.disconnect();
      },
      interrupt,
    };
  };
}

function run<T>(how: string, cases: ConformanceCase<T>[], make: MakeHarness<T>): void {
  // One after the other: each has connections of its own, and some watch the clock.
  for (const { name, run: check } of cases) test.serial(`${how}: ${name}`, (t) => t.notThrowsAsync(check(make)));
}

const managerCases = channelManagerConformance().filter((c) => missingCapabilities(c, ALL_BUT_USER_INDEX).length === 0);

run("manager", managerCases, byUrl(RedisChannelManager));
run("registry", serverRegistryConformance(), byUrl(RedisServerRegistry));
run("transport", rpcTransportConformance(), byUrl(RedisTransport));
run("manager through a prefix", managerCases, byPrefix(RedisChannelManager));
run("registry through a prefix", serverRegistryConformance(), byPrefix(RedisServerRegistry));
run("transport through a prefix", rpcTransportConformance(), byPrefix(RedisTransport));
run("manager on an injected client", managerCases, byInjectedClient(RedisChannelManager));
run("registry on an injected client", serverRegistryConformance(), byInjectedClient(RedisServerRegistry));
run("transport on an injected client", rpcTransportConformance(), byInjectedClient(RedisTransport));

test.serial("managers with prefixes of their own on one Redis know nothing of each other", async (t) => {
  const prefixes = ["app", "app:1", "app-1", "app.1", "App", "app:test"];
  const managers = prefixes.map((prefix) => new RedisChannelManager(new RedisConnection(server.url, { prefix })));
  const told = managers.map(() => new Array<string>());
  await Promise.all(managers.map((manager) => manager.start()));
  t.teardown(async () => {
    await Promise.all(managers.map((manager) => manager.stop()));
    await admin.flushall();
  });
  for (const [index, manager] of managers.entries()) {
    await manager.watchAll({ change: (change) => void (change.type === "join" && told[index]!.push(...change.uids)) });
  }

  await Promise.all(
    managers.map(async (manager, index) => {
      for (const uid of ["ann", `only ${index}`]) t.true(await manager.add("room", uid, "s1"));
      await manager.connect(`only ${index}`, "s1", "i1");
    }),
  );
  const alone = async (index: number) => {
    const manager = managers[index]!;
    t.deepEqual((await manager.getMembersBySid("room", "s1")).toSorted(), ["ann", `only ${index}`]);
    t.deepEqual(await manager.countUsers(["s1"]), [1]);
    t.deepEqual(told[index], ["ann", `only ${index}`]);
  };
  await Promise.all(managers.map((_, index) => alone(index)));

  // One after the other is emptied, in every way that there is: those that are left are whole.
  const ends: ((manager: RedisChannelManager) => Promise<unknown>)[] = [
    (manager) => manager.clean(),
    (manager) => manager.destroyChannel("room"),
    (manager) => manager.evict({ sid: "s1", incarnation: "i1" }, "server-down"),
  ];
  for (const [index, manager] of managers.slice(0, -1).entries()) {
    await ends[index % ends.length]!(manager);
    t.deepEqual(await manager.getMembersBySid("room", "s1"), []);
    for (let left = index + 1; left < managers.length; left++) await alone(left);
  }
});
