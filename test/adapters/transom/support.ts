// For the tests of the Transom plugin: a registry as Transom has it, and real clients.
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionContext } from "ava";
import PocketRegistry from "pocket-registry";
import { io, type ManagerOptions, type SocketOptions } from "socket.io-client";
import { TransomSocketIo, type TransomOptions, type TransomServer } from "../../../src/adapters/transom/index.js";
import { Client } from "../../connectors/socket-io-support.js";
import { until } from "../../connectors/websocket-support.js";

// Its types say `export default`; it is `module.exports`.
const Registry = PocketRegistry as unknown as new () => TransomServer["registry"];

/** As much of a Transom server as plugins use. */
export function transomServer(): TransomServer {
  return { registry: new Registry() };
}

export async function listen(t: ExecutionContext, http: HttpServer = createServer()) {
  http.listen(0, "127.0.0.1");
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  await once(http, "listening");
  return { http, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

/** A process that clients can connect to: a plugin with an HTTP server, stopped at the end of the test. */
export async function startPlugin(t: ExecutionContext, options: TransomOptions = {}, server = transomServer()) {
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  await plugin.initialize(server, options);
  const { http, url } = await listen(t);
  const client = await plugin.initializeWithServer(http);
  return { plugin, server, client, http, url };
}

/** A client that is connected with a token. */
export async function connect(
  t: ExecutionContext,
  url: string,
  token: string,
  transport: "websocket" | "polling" = "websocket",
) {
  const client = openClient(t, url, { query: { token }, transports: [transport] });
  await until(() => client.socket.connected);
  return client;
}

export function openClient(t: ExecutionContext, url: string, options: Partial<ManagerOptions & SocketOptions>): Client {
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  t.teardown(() => socket.disconnect());
  return new Client(socket);
}

/** What the server refuses a client with. */
export function refusal({ socket }: Client): Promise<Error & { data?: unknown }> {
  return new Promise((resolve) => socket.once("connect_error", resolve));
}
