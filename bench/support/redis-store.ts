import { startRedis } from "../../test/support/redis-server.js";
import type { Scope } from "./scope.js";

/** A server program that was started for a bench. */
export interface Store {
  url: string;
  pid: number;
}

export async function startRedisStore(scope: Scope): Promise<Store> {
  const server = await startRedis();
  scope.defer(() => server.stop());
  return { url: server.url, pid: server.pid! };
}
