import test from "ava";
import { findValkey } from "../support/find-redis.js";
import { CLIENTS } from "../support/redis-clients.js";
import { byClient, bySource, testParts, useRedis } from "../support/redis-conformance.js";
import { startRedis } from "../support/redis-server.js";

const program = await findValkey();

if (program) {
  const valkey = useRedis(() => startRedis({ program }));
  testParts(
    " on Valkey",
    bySource(valkey, () => valkey.server.url),
  );
  for (const [kind, makeClient] of Object.entries(CLIENTS)) {
    testParts(
      ` on Valkey by ${kind}`,
      byClient(valkey, () => makeClient({ ...valkey.address, db: 3 })),
    );
  }
} else {
  test.skip("there is no valkey-server on PATH", () => {});
}
