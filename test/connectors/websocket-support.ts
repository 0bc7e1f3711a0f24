// For the tests of the WebSocket connector: a host that records, clients that record, and a raw TCP client.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import type { ExecutionContext } from "ava";
import { WebSocket, type ClientOptions } from "ws";

import { WebSocketConnector, type WebSocketConnectorOptions } from "../../src/connectors/websocket/connector.js";
import type { ClientMessage, ConnectorHost, Undelivered } from "../../src/types.js";

/** How long a test waits for what must come. */
const PATIENCE_MS = 20_000;

/** Resolves when `condition` holds; rejects if that does not come true in time. */
export async function until(condition: () => boolean, withinMs: number = PATIENCE_MS): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`in vain waited until ${condition.toString()}`);
    await sleep(2);
  }
}

/** A promise that the test settles. */
export class Deferred<T> {
  resolve!: (value: T) => void;
  reject!: (error: Error) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/** Who has not got it, where it is known of all. */
export function failedOf(undelivered: Undelivered): readonly string[] {
  return "failed" in undelivered ? undelivered.failed : undelivered;
}

export class RecordingHost implements ConnectorHost {
  readonly sid = "connector-1";
  /** `opened ann`, `closed ann`, `message ann` in the order in which they came. */
  readonly events: string[] = [];
  readonly messages: { uid: string; route: string; msg: unknown }[] = [];
  readonly errors: Error[] = [];

  opened(uid: string): void {
    this.events.push(`opened ${uid}`);
  }
  closed(uid: string): void {
    this.events.push(`closed ${uid}`);
  }
  message(uid: string, route: string, msg: unknown): void | Promise<void> {
    this.events.push(`message ${uid}`);
    this.messages.push({ uid, route, msg });
  }
  channelsOf(): string[] {
    return [];
  }
  error(error: Error): void {
    this.errors.push(error);
  }
}

/** From now on what the host is told makes it throw. Returns what that is. */
export function breakHost(host: RecordingHost): Error {
  const failure = new Error("the application's fault");
  for (const method of ["opened", "message", "closed"] as const) {
    host[method] = () => {
      throw failure;
    };
  }
  return failure;
}

/** Checks that nothing is left but the session of `good`, and that each one of `bad` that was opened was closed. */
export async function checkOnlyGoodIsLeft(
  t: ExecutionContext,
  { connector, host }: { connector: { stats: { sessions: number } }; host: RecordingHost },
): Promise<void> {
  await until(() => connector.stats.sessions === 1);
  t.is(countOf(host, "closed bad"), countOf(host, "opened bad"));
  t.is(countOf(host, "closed good"), 0);
  t.deepEqual(host.errors, []);
}

/** How often the host was told that. */
export function countOf({ events }: RecordingHost, event: string): number {
  return events.filter((other) => other === event).length;
}

/** The `uid` that the client has put into its URL. */
export function uidOfQuery({ url = "" }: { url?: string | undefined }): string {
  return new URL(url, "ws://localhost").searchParams.get("uid") ?? "";
}

export class Client {
  readonly received: { route: string; msg: unknown }[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  pings = 0;

  constructor(readonly ws: WebSocket) {
    ws.on("message", (data: Buffer) => this.received.push(JSON.parse(data.toString())));
    ws.on("ping", () => this.pings++);
    // `close` follows, which is what tests look at.
    ws.on("error", () => {});
    this.closed = new Promise((resolve) =>
      ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() })),
    );
  }

  send(route: string, msg: unknown): void {
    this.ws.send(JSON.stringify({ route, msg }));
  }
}

/** A started connector that takes clients by {@link uidOfQuery}, and its host; stopped at the end of the test. */
export async function startConnector(t: ExecutionContext, options: Partial<WebSocketConnectorOptions> = {}) {
  const connector = new WebSocketConnector({
    ...(options.server === undefined && { port: 0, host: "127.0.0.1" }),
    authenticate: uidOfQuery,
    ...options,
  });
  const host = new RecordingHost();
  t.teardown(() => connector.stop());
  await connector.start(host);
  const url = `ws://127.0.0.1:${connector.address().port}`;

  /** Resolves when the handshake is done. */
  async function connectClient(uid: string, clientOptions: ClientOptions & { path?: string } = {}): Promise<Client> {
    const { path = "/", ...rest } = clientOptions;
    const client = new Client(new WebSocket(`${url}${path}?uid=${uid}`, rest));
    t.teardown(() => client.ws.terminate());
    await once(client.ws, "open");
    return client;
  }

  /** Resolves when the session is open. */
  async function openSession(uid: string, clientOptions: ClientOptions = {}): Promise<Client> {
    const before = connector.stats.sessions;
    const client = await connectClient(uid, clientOptions);
    await until(() => connector.stats.sessions > before);
    return client;
  }

  async function openTcp(): Promise<TcpClient> {
    const socket = connect(connector.address().port, "127.0.0.1");
    t.teardown(() => socket.destroy());
    await once(socket, "connect");
    return new TcpClient(socket);
  }

  return { connector, host, url, connectClient, openSession, openTcp };
}

/** A client that sends and gets bytes. */
export class TcpClient {
  received: Buffer = Buffer.alloc(0);
  readonly closed: Promise<void>;

  constructor(readonly socket: Socket) {
    socket.on("data", (data) => (this.received = Buffer.concat([this.received, data])));
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  /** Sends a valid upgrade request and resolves when it is answered; `rest` goes along in the same packet. */
  async upgrade(uid: string, rest: Buffer = Buffer.alloc(0)): Promise<void> {
    const request = [
      `GET /?uid=${uid} HTTP/1.1`,
      "Host: localhost",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "\r\n",
    ].join("\r\n");
    this.socket.write(Buffer.concat([Buffer.from(request), rest]));
    await until(() => this.received.includes("\r\n\r\n"));
  }

  /** The frames received after the handshake (all of them short and from a server, so unmasked). */
  frames(): { opcode: number; payload: Buffer }[] {
    const frames = [];
    let rest = this.received.subarray(this.received.indexOf("\r\n\r\n") + 4);
    while (rest.length > 0) {
      const end = 2 + rest[1]!;
      frames.push({ opcode: rest[0]! & 0x0f, payload: rest.subarray(2, end) });
      rest = rest.subarray(end);
    }
    return frames;
  }
}

/** A frame as clients send them, with a mask of zeros and at most 125 bytes of payload. */
export function clientFrame(opcode: number, payload: string): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]);
}

export function message(route: string, msg: unknown): ClientMessage {
  return { route, body: JSON.stringify(msg) };
}

/** The text in a frame of a server. */
export function textIn(frame: Buffer): string {
  const length = frame[1]!;
  return frame.subarray(length < 126 ? 2 : length === 126 ? 4 : 10).toString();
}
