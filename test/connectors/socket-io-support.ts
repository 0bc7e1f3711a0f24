// For the tests of the Socket.IO connector: real servers and clients on real connections.
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { connect, type AddressInfo, type Socket as TcpSocket } from "node:net";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";
import { Server, type ServerOptions } from "socket.io";
import { io, type ManagerOptions, type Socket as ClientSocket, type SocketOptions } from "socket.io-client";
import { WebSocket } from "ws";
import { SocketIoConnector, type SocketIoConnectorOptions } from "../../src/connectors/socket-io/connector.js";
import { RecordingHost, until } from "./websocket-support.js";

/** How a client connects: the last one begins with polling and goes over to a WebSocket. */
export const TRANSPORTS = {
  websocket: ["websocket"],
  polling: ["polling"],
  "polling, then websocket": ["polling", "websocket"],
} as const;

/** A client that writes down what it gets. */
export class Client {
  readonly received: [route: string, ...args: unknown[]][] = [];

  constructor(readonly socket: ClientSocket) {
    socket.onAny((route: string, ...args: unknown[]) => {
      // The callback of one that is to be acknowledged is no part of the message.
      this.received.push([route, ...args.filter((arg) => typeof arg !== "function")]);
    });
  }

  /** The WebSocket of one that is connected by it. */
  get ws(): WebSocket {
    return (this.socket.io.engine.transport as unknown as { ws: WebSocket }).ws;
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
    transport: keyof typeof TRANSPORTS = "websocket",
    clientOptions: Partial<ManagerOptions & SocketOptions> & { namespace?: string } = {},
  ): Client {
    const { namespace = "", ...rest } = clientOptions;
    const socket = io(`${url}${namespace}`, {
      auth: { uid },
      transports: [...TRANSPORTS[transport]],
      forceNew: true,
      reconnection: false,
      ...rest,
    });
    t.teardown(() => socket.disconnect());
    return new Client(socket);
  }

  /** A client that connects by hand, over a WebSocket; what it gets are the packets of Engine.IO. */
  async function openWebSocket(uid: string): Promise<RawWebSocket> {
    const raw = new RawWebSocket(new WebSocket(`${url.replace("http:", "ws:")}${ENGINE}websocket`));
    t.teardown(() => raw.ws.terminate());
    await once(raw.ws, "open");
    raw.ws.send(connectPacket(uid));
    return raw;
  }

  /** The same over HTTP: it polls when it is told to. */
  async function openPolling(uid: string): Promise<RawPolling> {
    const { sid } = JSON.parse((await (await fetch(`${url}${ENGINE}polling`)).text()).slice(1)) as { sid: string };
    const raw = new RawPolling(`${url}${ENGINE}polling&sid=${sid}`);
    await raw.post(connectPacket(uid));
    return raw;
  }

  async function openTcp(): Promise<TcpSocket> {
    const tcp = connect((http.address() as AddressInfo).port, "127.0.0.1");
    tcp.on("error", () => {}).resume();
    t.teardown(() => tcp.destroy());
    await once(tcp, "connect");
    return tcp;
  }

  return { server, http, url, openClient, openWebSocket, openPolling, openTcp };
}

const ENGINE = "/socket.io/?EIO=4&transport=";

/** @see https://github.com/socketio/socket.io-protocol#connection-to-a-namespace */
function connectPacket(uid: string): string {
  return `40${JSON.stringify({ uid })}`;
}

export class RawWebSocket {
  readonly packets: string[] = [];
  readonly closed: Promise<void>;

  constructor(readonly ws: WebSocket) {
    ws.on("message", (data: Buffer) => this.packets.push(data.toString()));
    // `close` follows, which is what tests look at.
    ws.on("error", () => {});
    this.closed = new Promise((resolve) => ws.once("close", () => resolve()));
  }
}

export class RawPolling {
  constructor(readonly url: string) {}

  /** Gets what waits for it, or a status other than 200. */
  async poll(): Promise<string> {
    const response = await fetch(this.url);
    return response.ok ? response.text() : `${response.status}`;
  }

  async post(body: string | Uint8Array<ArrayBuffer>): Promise<number> {
    return (await fetch(this.url, { method: "POST", body })).status;
  }
}

/** How many connections a server has. */
export function connectionsOf(http: HttpServer): Promise<number> {
  return promisify<number>((callback) => http.getConnections(callback))();
}

/** What the server's socket of a user keeps for acknowledgements. */
export function acksOf(server: Server): unknown[] {
  return [...server.sockets.sockets.values()].flatMap((socket) => [
    ...(socket as unknown as { acks: Map<number, unknown> }).acks.keys(),
  ]);
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
