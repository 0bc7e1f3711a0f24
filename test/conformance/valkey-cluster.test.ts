import { bySource, onValkey, testParts, useRedisCluster } from "../support/redis-conformance.js";
import { startRedisCluster } from "../support/redis-cluster.js";

await onValkey((program) => {
  const servers = useRedisCluster(() => startRedisCluster({ program }));
  testParts(
    " on a Valkey cluster",
    bySource(servers, () => ({ cluster: servers.startupNodes })),
  );
});
