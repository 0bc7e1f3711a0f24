// For the tests of this folder: a process that owns a Redis and a child process, both of which listen on a port.
import { createServer, type AddressInfo } from "node:net";

import { serveParent, startProcess } from "./process.js";
import { startRedis } from "./redis-server.js";

export type Family = typeof parent;
export type Leaf = typeof leaf;

const server = createServer().listen(0, "127.0.0.1");

const leaf = {
  port: () => (server.address() as AddressInfo).port,
  echo: (...values: unknown[]) => values,
  fail() {
    console.error("about to fail");
    throw Object.assign(new Error("no"), { code: "E_NO" });
  },
  crash() {
    console.error("about to crash");
    process.exit(7);
  },
};

const parent = {
  async start() {
    const child = await startProcess<Leaf>(new URL(import.meta.url), { args: ["leaf"] });
    return { redisPort: (await startRedis()).port, childPort: await child.call("port") };
  },
};

if (process.argv[2] === "early") throw new Error("cannot begin");
else serveParent(process.argv[2] === "leaf" ? leaf : parent);
