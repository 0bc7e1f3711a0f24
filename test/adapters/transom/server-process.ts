import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TransomMessageClient, TransomSocketIo } from "../../../src/adapters/transom/index.js";
import { redis } from "../../../src/redis/index.js";
import { serveParent } from "../../support/process.js";
import { transomServer } from "./support.js";

// A process that clients connect to, with its own Socket.IO server: `server-process.ts <url> <prefix> <sid>`.

const [url = "", prefix = "", sid = ""] = process.argv.slice(2);
const server = transomServer();
const plugin = new TransomSocketIo();
const http = createServer();
await plugin.initialize(server, {
  cluster: redis(url, { prefix }),
  sid,
  connector: { rooms: true },
});

/** What serves the parent. */
export type ServerProcess = typeof api;

const api = {
  /** Resolves the port. */
  async start(): Promise<number> {
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { io } = await plugin.initializeWithServer(http);
    // Who may look on without being anybody.
    io!.of("/public");
    return (http.address() as AddressInfo).port;
  },
  /** Emits to the sockets of this process that are in a room. Resolves how many those are. */
  async emitToRoom(room: string, event: string, msg: unknown): Promise<number> {
    const { io } = server.registry.get("transomMsgClient") as TransomMessageClient;
    const sockets = await io!.local.in(room).fetchSockets();
    io!.local.to(room).emit(event, msg);
    return sockets.length;
  },
  createToken: (id: string) => plugin.createToken({ _id: id }),
};
serveParent(api);
