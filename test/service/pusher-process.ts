import { GlobalChannelService } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { serveParent } from "../support/process.js";

// A service in a process of its own.

export type PusherApi = {
  push(name: string, msg: unknown, idempotencyKey: string): Promise<unknown>;
};

const [url, prefix] = process.argv.slice(2);
const service = new GlobalChannelService({
  cluster: redis(url!, { prefix: prefix!, history: { "room*": { size: 100, ttlMs: 60_000 } } }),
});
await service.start();

serveParent({
  push: (name, msg, idempotencyKey) => service.pushMessage("connector", "chat", msg, name, { idempotencyKey }),
} satisfies PusherApi);
