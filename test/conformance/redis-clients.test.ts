import { CLIENTS } from "../support/redis-clients.js";
import { byClient, testParts, testSmallParts, useRedis } from "../support/redis-conformance.js";

const redis = useRedis();

for (const [kind, makeClient] of Object.entries(CLIENTS)) {
  // Its managers are ioredis 6 with RESP3, too, and read nothing that its options change.
  const declare = kind === "ioredis 6 with the replies of RESP3" ? testSmallParts : testParts;
  declare(
    ` on ${kind}`,
    byClient(redis, () => makeClient({ ...redis.address, db: 3 })),
  );
}
