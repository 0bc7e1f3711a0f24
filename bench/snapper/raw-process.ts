// The limit: a bare server of Engine.IO hands messages of its own to all clients, in a process of its own.
import { createServer } from "node:http";
import { Server, type Socket } from "engine.io";
import { serveParent } from "../../test/support/process.js";
import { listenLocally } from "../support/listen.js";
import type { Load } from "../support/load.js";
import { watchUsage } from "../support/process-usage.js";
import { profiler } from "../support/profiler.js";
import { LoadRun } from "./load-run.js";
import { RawClient } from "./raw-client.js";

export type RawApi = typeof api;

const usage = watchUsage();
const clients: RawClient[] = [];
const engine = new Server();
engine.on("connection", (socket: Socket) => clients.push(new RawClient(socket)));
const run = new LoadRun((text) => {
  const body = JSON.stringify(text);
  for (const client of clients) client.push(body);
});

const api = {
  /** Resolves where clients connect. */
  async start(): Promise<number> {
    const http = createServer();
    engine.attach(http, { path: "/websocket" });
    return listenLocally(http);
  },
  listenForArrivals: () => run.listen(),
  run: (load: Load) => run.apply(load),
  usage,
  ...profiler,
};

serveParent(api);
