import test from "ava";
import { findValkey } from "../support/find-redis.js";
import { bySource, testParts, useSentinel } from "../support/redis-conformance.js";
import { startSentinel } from "../support/redis-sentinel.js";

const program = await findValkey();

if (program) {
  const servers = useSentinel(() => startSentinel({ program }));
  testParts(
    " on Valkey by Sentinel",
    bySource(servers, () => ({ sentinels: servers.sentinels, name: servers.name })),
  );
} else {
  test.skip("there is no valkey-server on PATH", () => {});
}
