// A broker of the bench, in a process of its own.
import { Broker } from "globalchannel/snapper";
import { serveParent } from "../../test/support/process.js";
import { watchUsage } from "../support/process-usage.js";
import { profiler } from "../support/profiler.js";
import { redisAt } from "../support/redis-at.js";
import { MAX_BATCH, SECRET } from "./contender.js";

export type BrokerApi = typeof api;

const { url } = JSON.parse(process.argv[2]!) as { url: string };
const usage = watchUsage();
const broker = new Broker({
  port: 0,
  rpcPort: 0,
  host: "127.0.0.1",
  secretKeys: SECRET,
  cluster: redisAt(url),
  maxBatch: MAX_BATCH,
});

const api = {
  /** Resolves where clients and producers connect. */
  async start(): Promise<{ port: number; rpcPort: number }> {
    await broker.start();
    return { port: broker.port, rpcPort: broker.rpcPort };
  },
  usage,
  ...profiler,
};

serveParent(api);
