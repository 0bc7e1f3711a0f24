import { bySource, onValkey, testParts, useSentinel } from "../support/redis-conformance.js";
import { startSentinel } from "../support/redis-sentinel.js";

await onValkey((program) => {
  const servers = useSentinel(() => startSentinel({ program }));
  testParts(
    " on Valkey by Sentinel",
    bySource(servers, () => ({ sentinels: servers.sentinels, name: servers.name })),
  );
});
