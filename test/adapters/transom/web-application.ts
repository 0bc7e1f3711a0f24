// For the tests with a browser: an application with a log-in and a page that shows messages, as plain node:http.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { ExecutionContext } from "ava";
import { TransomSocketIo, type TransomMessageClient } from "../../../src/adapters/transom/index.js";
import { redis } from "../../../src/redis/index.js";
import { listen, transomServer } from "./support.js";

/** Scripts of this server, and connections to it; no inline script, and no text that becomes markup. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

const HTML = { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY };
const SCRIPT = { "Content-Type": "text/javascript; charset=utf-8" };

const FILES = new Map([
  ["/", { file: new URL("page/index.html", import.meta.url), headers: HTML }],
  ["/login", { file: new URL("page/login.html", import.meta.url), headers: HTML }],
  ["/page.js", { file: new URL("page/page.js", import.meta.url), headers: SCRIPT }],
  [
    "/socket.io.min.js",
    // Beside the one that the package exports.
    { file: new URL("socket.io.min.js", import.meta.resolve("socket.io-client/dist/socket.io.js")), headers: SCRIPT },
  ],
]);

export interface WebApplication {
  url: string;
  /** That of the process that pages connect to. */
  client: TransomMessageClient;
  /** That of a process that only emits. */
  emitter: TransomMessageClient;
  /** The sockets that were let in so far, by the transport that each began with. */
  connections: readonly string[];
  /** Cuts all TCP connections to the process that pages connect to. */
  cut(): void;
}

/** Two plugins, as two processes have them, on one Redis: pages connect to one, the other only emits. */
export async function startApplication(t: ExecutionContext, redisUrl: string): Promise<WebApplication> {
  const prefix = randomUUID();
  const start = async () => {
    const plugin = new TransomSocketIo();
    t.teardown(() => plugin.stop());
    const server = transomServer();
    await plugin.initialize(server, { cluster: redis(redisUrl, { prefix }) });
    return { plugin, registered: server.registry.get("transomMsgClient") as TransomMessageClient };
  };
  const [{ plugin }, { registered: emitter }] = [await start(), await start()];

  const users = new Map<string, { _id: string }>();
  const giveToken = plugin.socketTokenHandler({ user: (request) => users.get(sessionOf(request)) });
  const http = createServer((request, response) => giveToken(request, response, () => void answer(request, response)));
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url!, "http://localhost").pathname;
    if (request.method === "POST" && path === "/login") {
      const session = randomUUID();
      users.set(session, { _id: new URLSearchParams(await text(request)).get("user")! });
      response.setHeader("Set-Cookie", `session=${session}; Path=/; HttpOnly; SameSite=Strict`);
      response.writeHead(303, { Location: "/login" }).end();
      return;
    }
    const found = FILES.get(path);
    if (found) response.writeHead(200, found.headers).end(await readFile(found.file));
    else response.writeHead(404).end();
  }

  const sockets = new Set<Socket>();
  http.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const { url } = await listen(t, http);
  const client = await plugin.initializeWithServer(http);
  const connections: string[] = [];
  client.io!.on("connection", ({ conn }) => connections.push(conn.transport.name));
  return {
    url,
    client,
    emitter,
    connections,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function sessionOf({ headers: { cookie = "" } }: IncomingMessage): string {
  return /(?:^|; )session=([^;]*)/.exec(cookie)?.[1] ?? "";
}
