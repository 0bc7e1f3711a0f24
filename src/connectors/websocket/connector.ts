import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { checkName, checkId } from "../../arguments.js";
import { GlobalChannelError } from "../../errors.js";
import type { ClientMessage, Connector, ConnectorHost, Undelivered } from "../../types.js";
import { drained } from "../drained.js";
import { parsePositions } from "../given-positions.js";
import { servesAlready, tell } from "../host.js";
import { type GivenPositions, SessionHistory } from "../session-history.js";
import { keptMessageFrame, positionFrame } from "./frames.js";
import { resolveWebSocketOptions, type WebSocketConnectorOptions } from "./options.js";
import { close, cutOffLater, type Session, Sessions } from "./sessions.js";

export type { WebSocketConnectorOptions };

/** What a {@link WebSocketConnector} has now, and what it has done since it was made. */
export interface WebSocketConnectorStats {
  /** Open sessions. */
  sessions: number;
  /** Users who have open sessions. */
  users: number;
  /** Sessions closed because the client could not keep up. */
  slowClosed: number;
  /** Sessions cut off because the client did not answer a ping. */
  heartbeatClosed: number;
  /** Clients closed because it was not known who they are. */
  rejected: number;
}

/** How many messages of a client are taken in before it is known who it is; the rest wait in its connection. */
const MAX_HELD_MESSAGES = 16;

/**
 * Serves clients over WebSocket, by the npm package `ws`.
 *
 * Messages are text frames of JSON in both directions: `{"route": string, "msg": any}`. A client that sends anything else is
 * closed: with code 1003 for a binary frame, 1007 for text that is not JSON, 1008 for JSON of another shape. All are closed
 * with 1001 when the connector stops, and with 4403 where their user is disconnected (`service.disconnectUsers`).
 *
 * A push is encoded once for all its receivers. There is no compression, which would be work for each of them.
 */
export class WebSocketConnector implements Connector {
  readonly #options: ReturnType<typeof resolveWebSocketOptions>;
  readonly #wss: WebSocketServer;
  readonly #sessions: Sessions;
  #rejected = 0;
  /** Set by `start`, before any client can come. */
  #host!: ConnectorHost;
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #server: Server | HttpsServer | undefined;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: WebSocketConnectorOptions) {
    this.#options = resolveWebSocketOptions(options);
    const { path, maxBufferedBytes, maxClientMessageBytes } = this.#options;
    this.#sessions = new Sessions(this, maxBufferedBytes);
    this.#wss = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: maxClientMessageBytes,
      ...(path !== undefined && { path }),
    });
  }

  get stats(): WebSocketConnectorStats {
    const { count, userCount, slowClosed, heartbeatClosed } = this.#sessions;
    return { sessions: count, users: userCount, slowClosed, heartbeatClosed, rejected: this.#rejected };
  }

  /**
   * Where the server listens.
   * @throws `GC_NOT_STARTED` while it does not listen at a port
   */
  address(): AddressInfo {
    const address = this.#server?.address();
    if (typeof address !== "object" || address === null) {
      throw new GlobalChannelError("GC_NOT_STARTED", "WebSocketConnector does not listen at a port; start it first");
    }
    return address;
  }

  /**
   * Begins to accept clients. Resolves when the own server listens; with a server that was given, at once.
   * @throws `GC_INVALID_ARGUMENT` if it serves a frontend already; what listening failed with, such as `EADDRINUSE`
   */
  async start(host: ConnectorHost): Promise<void> {
    if (this.#started !== undefined) throw servesAlready("WebSocketConnector", this.#host, host.sid);
    this.#host = host;
    this.#started = this.#start();
    try {
      await this.#started;
    } catch (error) {
      this.#started = undefined;
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { server, heartbeatMs } = this.#options;
    this.#server = server ?? (await this.#listen());
    this.#server.on("upgrade", this.#upgrade);
    this.#sessions.startHeartbeat(heartbeatMs);
  }

  async #listen(): Promise<Server> {
    const { port, host } = this.#options;
    const server = createServer((_request, response) => {
      response.writeHead(426, { Connection: "Upgrade", Upgrade: "websocket" }).end();
    });
    server.listen(port, host);
    await once(server, "listening");
    return server.on("error", (error) => this.#host.error(error));
  }

  /** Closes all sessions and the own server. Resolves when all are gone: clients have one second to answer. */
  async stop(): Promise<void> {
    await this.#started?.catch(() => {});
    if (this.#server !== undefined) {
      this.#stopped = this.#stop(this.#server);
      this.#server = undefined;
    }
    await this.#stopped;
  }

  async #stop(server: Server | HttpsServer): Promise<void> {
    server.off("upgrade", this.#upgrade);
    this.#sessions.stopHeartbeat();
    // Not only sessions: also those of whom it is not known yet who they are.
    const gone = Array.from(this.#wss.clients, (ws) => new Promise<unknown>((resolve) => ws.once("close", resolve)));
    for (const ws of this.#wss.clients) close(ws, 1001, "the server stops");
    if (server !== this.#options.server) {
      gone.push(once(server.close(), "close"));
      server.closeAllConnections();
    }
    await Promise.all(gone);
    this.#started = undefined;
  }

  /** See {@link Connector.deliver}. */
  deliver(uids: ReadonlySet<string>, message: ClientMessage): Undelivered {
    return this.#sessions.deliver(uids, message);
  }

  /** See {@link Connector.deliverToAll}. */
  deliverToAll(message: ClientMessage, except: ReadonlySet<string>): number {
    return this.#sessions.deliverToAll(message, except);
  }

  /** Closes every session of these users with code 4403. See {@link Connector.disconnectUsers}. */
  disconnectUsers(uids: ReadonlySet<string>): string[] {
    return this.#sessions.disconnect(uids);
  }

  /** See {@link Connector.joined}. */
  joined(uid: string, name: string): void {
    this.#sessions.toHistories(uid, (history) => history.joined(name));
  }

  /** See {@link Connector.left}. */
  left(uid: string, name: string): void {
    this.#sessions.toHistories(uid, (history) => history.left(name));
  }

  /** See {@link Connector.missed}. */
  missed(): void {
    this.#sessions.lookForMissed();
  }

  readonly #upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Another path may be another listener's to serve; where there is none, ws answers 400.
    if (this.#wss.shouldHandle(request) === false && this.#server!.listenerCount("upgrade") > 1) return;
    this.#wss.handleUpgrade(request, socket, head, (ws) => void this.#admit(ws, socket, request));
  };

  /** Opens a session as soon as it is known who the client is, unless it has gone meanwhile. */
  async #admit(ws: WebSocket, socket: Duplex, request: IncomingMessage): Promise<void> {
    // It broke the protocol, and ws has begun to close it.
    ws.on("error", () => cutOffLater(ws));
    // The client is read from even now: its going away would not be seen otherwise.
    const held: [data: RawData, isBinary: boolean][] = [];
    const hold = (data: RawData, isBinary: boolean): void => {
      if (held.push([data, isBinary]) >= MAX_HELD_MESSAGES) ws.pause();
    };
    ws.on("message", hold);
    const uid = await this.#identify(ws, request);
    ws.off("message", hold);

    if (ws.readyState !== ws.OPEN) return;
    if (uid === undefined) {
      this.#rejected++;
      close(ws, 4401, "not authenticated");
      return;
    }
    let positions: GivenPositions["positions"] | undefined;
    try {
      positions = positionsIn(request);
    } catch (error) {
      this.#rejected++;
      close(ws, 4400, reasonOf(error));
      return;
    }
    const session = this.#open(uid, ws, socket, positions);
    for (const [data, isBinary] of held) this.#receive(session, data, isBinary);
    ws.resume();
  }

  /** Resolves to undefined if there is no valid uid in time, or the client goes away. */
  async #identify(ws: WebSocket, request: IncomingMessage): Promise<string | undefined> {
    const { authenticate, authTimeoutMs } = this.#options;
    let giveUp!: () => void;
    const givenUp = new Promise<undefined>((resolve) => (giveUp = () => resolve(undefined)));
    const timer = setTimeout(giveUp, authTimeoutMs);
    ws.once("close", giveUp);
    try {
      return checkId("uid", await Promise.race([authenticate(request), givenUp]));
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
      ws.off("close", giveUp);
    }
  }

  #open(uid: string, ws: WebSocket, socket: Duplex, positions: GivenPositions["positions"] | undefined): Session {
    const session = this.#sessions.add(uid, ws, socket);
    if (positions) this.#resume(session, positions);
    ws.on("message", (data, isBinary) => this.#receive(session, data, isBinary));
    ws.once("close", () => {
      this.#sessions.delete(session);
      session.history?.close();
      this.#tell(() => this.#host.closed(uid));
    });
    this.#tell(() => this.#host.opened(uid));
    return session;
  }

  /** Goes on where the client was. */
  #resume(session: Session, positions: GivenPositions["positions"]): void {
    const { history: reader } = this.#host;
    if (!reader) return;
    const { uid, socket } = session;
    session.history = new SessionHistory(
      uid,
      reader,
      {
        write: (message, elsewhere) => this.#sessions.writeTo(session, keptMessageFrame(message, elsewhere)),
        writeLive: (message, elsewhere) => this.#sessions.writeLive(session, keptMessageFrame(message, elsewhere)),
        tell: (position, hasGap) => this.#sessions.writeTo(session, positionFrame(position, hasGap)),
        drained: () => drained(socket),
        error: (error) => this.#host.error(error as Error),
      },
      { positions },
    );
    for (const name of this.#host.channelsOf?.(uid) ?? []) session.history.joined(name);
  }

  #receive(session: Session, data: RawData, isBinary: boolean): void {
    const { uid, ws } = session;
    // It is being closed for what it sent before.
    if (ws.readyState !== ws.OPEN) return;
    if (isBinary) {
      close(ws, 1003, "messages are text frames");
      return;
    }
    let message: { route?: unknown; msg?: unknown } | null;
    try {
      message = JSON.parse((data as Buffer).toString());
    } catch {
      close(ws, 1007, "messages are JSON");
      return;
    }
    let route: string;
    try {
      route = checkName("route", message?.route);
    } catch {
      close(ws, 1008, 'messages are {"route": string, "msg": any}');
      return;
    }
    this.#tell(() => session.handle(this.#host.message(uid, route, message?.msg)));
  }

  #tell(call: () => void): void {
    tell("WebSocketConnector", this.#host, call);
  }
}

/** Where the client says that it was; undefined: it does not keep that in mind. @throws `GC_INVALID_ARGUMENT` */
function positionsIn({ url = "" }: IncomingMessage): GivenPositions["positions"] | undefined {
  const resume = new URLSearchParams(url.slice(url.indexOf("?") + 1 || url.length)).get("resume");
  return resume === null ? undefined : parsePositions(resume);
}

/** As a reason of a close frame, which takes 123 bytes: https://www.rfc-editor.org/rfc/rfc6455#section-5.5 */
function reasonOf(error: unknown): string {
  return Buffer.from((error as Error).message)
    .subarray(0, 120)
    .toString()
    .replace(/\uFFFD+$/, "");
}
