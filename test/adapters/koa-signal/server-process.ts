import { once } from "node:events";
import type { AddressInfo } from "node:net";
import Koa from "koa";
import signal from "../../../src/adapters/koa-signal/index.js";
import { redis } from "../../../src/redis/index.js";
import { serveParent } from "../../support/process.js";

// A process that peers connect to: `server-process.ts <url> <prefix>`.

const [url = "", prefix = ""] = process.argv.slice(2);
const app = new Koa();
const signalling = signal({ cluster: redis(url, { prefix }) });
app.use(signalling);

/** What serves the parent. */
export type ServerProcess = typeof api;

const api = {
  /** Resolves the port. */
  async start(): Promise<number> {
    await signalling.start();
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  },
  /** How many peers are connected to this process. */
  peers: () => signalling.connector.stats.sessions,
  count: (name: string) => signalling.service.count(name),
  stop: () => signalling.stop(),
};
serveParent(api);
