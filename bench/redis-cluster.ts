import { changes } from "./redis-cluster/changes.js";
import { pushes } from "./redis-cluster/pushes.js";
import type { Bench } from "./support/bench.js";

export const redisCluster: Bench = {
  name: "cluster",
  question: "What does a Redis Cluster cost beside one server, and how does what it can do grow with its primaries?",
  quick: "about a minute: 3 primaries beside one server, fewer and shorter rounds",
  parts: { pushes, changes },
};
