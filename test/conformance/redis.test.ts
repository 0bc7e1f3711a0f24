import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import test from "ava";
import {
  channelManagerConformance,
  rpcTransportConformance,
  serverRegistryConformance,
  type ConformanceCase,
  type MakeHarness,
} from "../../src/conformance/index.js";
import { RedisChannelManager, RedisConnection, RedisServerRegistry, RedisTransport } from "../../src/redis/index.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";

let server: RedisServer;

test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

type Part<T> = new (connection: RedisConnection) => T;

/** Instances with connections of their own, as in different processes. */
function byUrl<T>(Part: Part<T>): MakeHarness<T> {
  return () => {
    const prefix = `test:${randomUUID()}`;
    return { open: () => new Part(new RedisConnection(server.url, { prefix })) };
  };
}

/** Instances on one client that the application has made, with a database of its own. */
function byInjectedClient<T>(Part: Part<T>): MakeHarness<T> {
  return () => {
    const prefix = randomUUID();
    const client = new Redis(server.port, server.host, { db: 3 });
    return {
      open: () => new Part(new RedisConnection(client, { prefix })),
      close: async () => {
        // It must still be usable: only its owner closes it.
        await client.ping();
        client.disconnect();
      },
    };
  };
}

function run<T>(how: string, cases: ConformanceCase<T>[], make: MakeHarness<T>): void {
  // One after the other: each has connections of its own, and some watch the clock.
  for (const { name, run: check } of cases) test.serial(`${how}: ${name}`, (t) => t.notThrowsAsync(check(make)));
}

run("manager", channelManagerConformance(), byUrl(RedisChannelManager));
run("registry", serverRegistryConformance(), byUrl(RedisServerRegistry));
run("transport", rpcTransportConformance(), byUrl(RedisTransport));
run("manager on an injected client", channelManagerConformance(), byInjectedClient(RedisChannelManager));
run("registry on an injected client", serverRegistryConformance(), byInjectedClient(RedisServerRegistry));
run("transport on an injected client", rpcTransportConformance(), byInjectedClient(RedisTransport));
