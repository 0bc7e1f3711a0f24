import { CLUSTER_CLIENTS } from "../support/redis-clients.js";
import { byClient, testParts, testSmallParts, useRedisCluster } from "../support/redis-conformance.js";

const servers = useRedisCluster();

testParts(
  " on ioredis 5",
  byClient(servers, () => CLUSTER_CLIENTS["ioredis 5"](servers.startupNodes)),
);
// What the library makes itself is of ioredis 6.
testSmallParts(
  " on ioredis 6",
  byClient(servers, () => CLUSTER_CLIENTS["ioredis 6"](servers.startupNodes)),
);
