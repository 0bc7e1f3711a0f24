import { CLUSTER_CLIENTS } from "../support/redis-clients.js";
import { byClient, testParts, useRedisCluster } from "../support/redis-conformance.js";

const servers = useRedisCluster();

for (const kind of ["ioredis 6", "ioredis 5"] as const) {
  testParts(
    ` on ${kind}`,
    byClient(servers, () => CLUSTER_CLIENTS[kind](servers.startupNodes)),
  );
}
