// For the tests of the Socket.IO connector: real servers and clients on real connections.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionContext } from "ava";
import { Server, type ServerOptions } from "socket.io";
import { io, type ManagerOptions, type Socket as ClientSocket, type SocketOptions } from "socket.io-client";
import { SocketIoConnector, type SocketIoConnectorOptions } from "../../src/connectors/socket-io/connector.js";
import { RecordingHost, until } from "./websocket-support.js";

export type Transport = "websocket" | "polling";

/** A client that writes down what it gets. */
export class Client {
  readonly received: [route: string, ...args: unknown[]][] = [];

  constructor(readonly socket: ClientSocket) {
    socket.onAny((route: string, ...args: unknown[]) => {
      // The callback of one that is to be acknowledged is no part of the message.
      this.received.push([route, ...args.filter((arg) => typeof arg !== "function")]);
    });
  }

  /** What came for a route. */
  messages(route: string): unknown[] {
    return this.received.filter(([name]) => name === route).map(([, msg]) => msg);
  }
}

/** A listening Socket.IO server. Whoever says who it is in `auth.uid` is that. */
export async function startServer(t: ExecutionContext, options: Partial<ServerOptions> = {}) {
  const http = createServer();
  const server = new Server(http, { serveClient: false, ...options });
  t.teardown(() => server.close());
  server.use((socket, next) => {
    socket.data.uid = socket.handshake.auth["uid"];
    next();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  function openClient(
    uid: string | undefined,
    transport: Transport = "websocket",
    clientOptions: Partial<ManagerOptions & SocketOptions> & { namespace?: string } = {},
  ): Client {
    const { namespace = "", ...rest } = clientOptions;
    const socket = io(`${url}${namespace}`, {
      auth: { uid },
      transports: [transport],
      forceNew: true,
      reconnection: false,
      ...rest,
    });
    t.teardown(() => socket.disconnect());
    return new Client(socket);
  }

  return { server, url, openClient };
}

/** A started connector on a server of its own, and its host; stopped at the end of the test. */
export async function startConnector(
  t: ExecutionContext,
  options: Partial<SocketIoConnectorOptions> = {},
  serverOptions: Partial<ServerOptions> = {},
) {
  const started = await startServer(t, serverOptions);
  const connector = new SocketIoConnector({ io: started.server, ...options });
  const host = new RecordingHost();
  t.teardown(() => connector.stop());
  connector.start(host);

  /** Resolves when the session is open. */
  async function openSession(...args: Parameters<typeof started.openClient>): Promise<Client> {
    const before = connector.stats.sessions;
    const client = started.openClient(...args);
    await until(() => client.socket.connected && connector.stats.sessions > before);
    return client;
  }

  return { ...started, connector, host, openSession };
}
