import { bySource, testParts, useSentinel } from "../support/redis-conformance.js";

const servers = useSentinel();

testParts(
  "",
  bySource(servers, () => ({ sentinels: servers.sentinels, name: servers.name })),
);
