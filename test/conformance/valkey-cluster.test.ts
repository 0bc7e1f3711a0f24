import test from "ava";
import { findValkey } from "../support/find-redis.js";
import { bySource, testParts, useRedisCluster } from "../support/redis-conformance.js";
import { startRedisCluster } from "../support/redis-cluster.js";

const program = await findValkey();

if (program) {
  const servers = useRedisCluster(() => startRedisCluster({ program }));
  testParts(
    " on a Valkey cluster",
    bySource(servers, () => ({ cluster: servers.startupNodes })),
  );
} else {
  test.skip("there is no valkey-server on PATH", () => {});
}
