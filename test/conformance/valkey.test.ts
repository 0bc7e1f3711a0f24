import { CLIENTS } from "../support/redis-clients.js";
import { byClient, bySource, onValkey, testParts, useRedis } from "../support/redis-conformance.js";
import { startRedis } from "../support/redis-server.js";

await onValkey((program) => {
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
});
