import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Server as EngineServer, type Socket } from "engine.io";
import { GlobalChannelError } from "../../../../errors.js";
import { listen } from "../../listen.js";
import type { ConsumerIdentity } from "./consumer-id.js";

interface EngineOptions {
  port: number;
  host: string | undefined;
  /** Where consumers connect, as `/websocket`. */
  path: string;
  maxMessageBytes: number;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  /** Says who connects. Rejects where that is nobody. */
  admit: (request: IncomingMessage) => ConsumerIdentity;
  /** Somebody is let in, who is told so when this has resolved. */
  admitted: (identity: ConsumerIdentity) => Promise<void>;
  connected: (socket: Socket, identity: ConsumerIdentity) => void;
  /** A consumer connects under another id than before: it will not come back under this one. */
  succeeded: (formerId: string) => void;
  /** Answers what is not for consumers. */
  request: (request: IncomingMessage, response: ServerResponse) => void;
  report: (error: unknown) => void;
}

/** The cookie with a browser's id of the last time, as the old broker calls it. */
const COOKIE = "snapper.ws";

/** How long connections have to end by themselves, in milliseconds. */
const LINGER_MS = 1000;

const UNAUTHORIZED = "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/** Serves consumers by Engine.IO, of protocol 3, too, on a server of its own. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #engine: EngineServer;
  readonly #http: HttpServer;
  readonly #identities = new WeakMap<IncomingMessage, ConsumerIdentity>();
  readonly #path: string;
  readonly #sockets = new Set<Duplex>();
  #isClosed = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#path = options.path.endsWith("/") ? options.path : `${options.path}/`;
    this.#engine = new EngineServer({
      allowEIO3: true,
      cookie: { name: COOKIE, httpOnly: true, sameSite: "lax", path: "/" },
      // Whoever has a token may use it from any page; nothing is allowed by the cookie.
      cors: { origin: true, credentials: true },
      maxHttpBufferSize: options.maxMessageBytes,
      pingInterval: options.pingIntervalMs,
      pingTimeout: options.pingTimeoutMs,
    });
    this.#engine.generateId = async (request) => {
      const identity = this.#identityOf(request);
      await options.admitted(identity);
      return identity.id;
    };
    this.#engine.on("connection", (socket: Socket) => this.#connected(socket));
    this.#http = createServer((request, response) => this.#request(request, response));
    this.#http.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** @throws `GC_CLOSED`; the error of the system, as `EADDRINUSE` */
  async listen(): Promise<void> {
    await listen(this.#http, this.#options.port, this.#options.host, () => this.#isClosed);
    this.#http.on("error", this.#options.report);
  }

  /** @throws `GC_NOT_STARTED` */
  get port(): number {
    const address = this.#http.address() as AddressInfo | null;
    if (!address) throw new GlobalChannelError("GC_NOT_STARTED", "the broker does not listen; start it first");
    return address.port;
  }

  /** Takes nobody any more, and ends all connections: consumers have a second to take what was sent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (!this.#http.listening) return;
    const closed = once(this.#http, "close");
    this.#http.close();
    this.#engine.close();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, LINGER_MS);
    this.#http.closeIdleConnections();
    await closed;
    clearTimeout(timer);
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#isOurs(request)) this.#options.request(request, response);
    else if (this.#isLetIn(request)) this.#engine.handleRequest(request, response);
    else response.writeHead(401, { "Content-Length": 0 }).end();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Node.js listens no more, and it may fail at any time.
    socket.on("error", () => {});
    if (this.#isOurs(request) && this.#isLetIn(request)) this.#engine.handleUpgrade(request, socket, head);
    else socket.end(this.#isOurs(request) ? UNAUTHORIZED : "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  }

  #isOurs({ url = "" }: IncomingMessage): boolean {
    const path = url.split("?", 1)[0]!;
    return path === this.#path || `${path}/` === this.#path;
  }

  /** Who has a session is known by its id, which nobody else does. */
  #isLetIn(request: IncomingMessage): boolean {
    const query = queryOf(request);
    const sid = query.get("sid");
    if (sid && Object.hasOwn(clientsOf(this.#engine), sid)) return true;
    try {
      const identity = this.#options.admit(request);
      this.#identities.set(request, identity);
      const former = sid ?? formerIdIn(request);
      if (former && former !== identity.id) this.#options.succeeded(former);
      return true;
    } catch (error) {
      this.#options.report(error);
      return false;
    }
  }

  #identityOf(request: IncomingMessage): ConsumerIdentity {
    return this.#identities.get(request)!;
  }

  #connected(socket: Socket): void {
    const identity = this.#identityOf(socket.request);
    if (this.#isClosed) {
      socket.close(true);
      return;
    }
    this.#options.connected(socket, identity);
    // The end of an earlier connection with this id, which has just been told to go, takes the id out, whosever it is.
    if (socket.readyState !== "closed") clientsOf(this.#engine)[identity.id] = socket;
  }
}

function clientsOf(engine: EngineServer): Record<string, Socket> {
  return (engine as unknown as { clients: Record<string, Socket> }).clients;
}

function queryOf({ url = "" }: IncomingMessage): URLSearchParams {
  return new URLSearchParams(url.slice(url.indexOf("?") + 1 || url.length));
}

function formerIdIn({ headers: { cookie = "" } }: IncomingMessage): string | undefined {
  return /(?:^|; )snapper\.ws=([\w.~-]{1,64})/.exec(cookie)?.[1];
}

/** The token of a request: `?token=`. */
export function tokenIn(request: IncomingMessage): string {
  return queryOf(request).get("token") ?? "";
}
