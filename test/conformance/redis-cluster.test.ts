import { bySource, testParts, useRedisCluster } from "../support/redis-conformance.js";

const servers = useRedisCluster();

testParts(
  "",
  bySource(servers, () => ({ cluster: servers.startupNodes })),
);
