import { CLIENTS } from "../support/redis-clients.js";
import { byClient, testParts, useRedis } from "../support/redis-conformance.js";

const redis = useRedis();

for (const [kind, makeClient] of Object.entries(CLIENTS)) {
  testParts(
    ` on ${kind}`,
    byClient(redis, () => makeClient({ ...redis.address, db: 3 })),
  );
}
