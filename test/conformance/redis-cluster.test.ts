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
import { startRedisCluster, type RedisCluster } from "../support/redis-cluster.js";

let servers: RedisCluster;

test.before(async () => {
  servers = await startRedisCluster();
});
test.after.always(() => servers?.stop());

/** Closes every client's connection to every server. */
async function interrupt(): Promise<void> {
  await Promise.all(
    servers.nodes.flatMap((node) => ["pubsub", "normal"].map((type) => node.call("CLIENT", "KILL", "TYPE", type))),
  );
}

/** Instances with connections of their own, as in different processes. */
function onCluster<T>(Part: new (connection: RedisConnection) => T): MakeHarness<T> {
  return () => ({
    open: () => new Part(new RedisConnection({ cluster: servers.startupNodes })),
    close: () => servers.flushAll(),
    interrupt,
  });
}

function run<T>(how: string, cases: ConformanceCase<T>[], make: MakeHarness<T>): void {
  // One after the other: each has connections of its own, and some watch the clock.
  for (const { name, run: check } of cases) test.serial(`${how}: ${name}`, (t) => t.notThrowsAsync(check(make)));
}

const managerCases = channelManagerConformance().filter((c) => missingCapabilities(c, ALL_BUT_USER_INDEX).length === 0);

run("manager", managerCases, onCluster(RedisChannelManager));
run("registry", serverRegistryConformance(), onCluster(RedisServerRegistry));
run("transport", rpcTransportConformance(), onCluster(RedisTransport));
