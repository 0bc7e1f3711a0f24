import { randomUUID } from "node:crypto";
import type { ExecutionContext } from "ava";
import { RedisConnection, RedisTokenStore } from "../../src/redis/index.js";
import { MemoryTokenStore } from "../../src/tokens/memory.js";
import type { TokenStore } from "../../src/types.js";
import { useRedis, useRedisCluster, type TestRedis } from "../support/redis-conformance.js";

/** Opens one more store on the same records, as another process would where that is possible. */
type Open = () => Promise<TokenStore>;

interface Stores {
  /** The Redis that is no cluster. */
  one: TestRedis;
  /** Each of our stores, by its name. */
  stores: Record<string, (t: ExecutionContext) => Open>;
  /** Opens a store that ends with the test. */
  openStore: typeof openStore;
}

/** What there is to test tokens with. Call it once, at the top. */
export function useStores(): Stores {
  const one = useRedis();
  const cluster = useRedisCluster();
  return {
    one,
    openStore,
    stores: {
      memory: () => {
        const store = new MemoryTokenStore();
        return async () => store;
      },
      redis: (t) => {
        const prefix = randomUUID();
        return () => openStore(t, new RedisConnection(one.server.url, { prefix }));
      },
      "redis cluster": (t) => {
        const prefix = randomUUID();
        return () => openStore(t, new RedisConnection({ cluster: cluster.startupNodes }, { prefix }));
      },
    },
  };
}

async function openStore(t: ExecutionContext, connection: RedisConnection): Promise<RedisTokenStore> {
  const store = new RedisTokenStore(connection);
  await store.start();
  t.teardown(() => store.stop());
  return store;
}
