import { Broker } from "../../../src/adapters/snapper/broker/broker.js";
import type { BrokerOptions } from "../../../src/adapters/snapper/broker/options.js";
import { redis } from "../../../src/redis/index.js";
import { serveParent } from "../../support/process.js";

// A process with a broker: `broker-process.ts <url> <prefix> <other options as JSON>`.

const [url = "", prefix = "", options = "{}"] = process.argv.slice(2);
const errors: string[] = [];
const broker = new Broker({
  ...(JSON.parse(options) as BrokerOptions),
  cluster: redis(url, { prefix }),
  onError: (error) => errors.push(String(error)),
});

/** What serves the parent. */
export type BrokerProcess = typeof api;

const api = {
  /** Resolves its ports. */
  async start(): Promise<{ port: number; rpcPort: number }> {
    await broker.start();
    return { port: broker.port, rpcPort: broker.rpcPort };
  },
  errors: () => errors,
  stop: () => broker.stop(),
  /** What keeps this process alive, beside the way to its parent. */
  handles: () => process.getActiveResourcesInfo().filter((name) => !["PipeWrap", "TTYWrap"].includes(name)),
};
serveParent(api);
