import { WebSocket } from "ws";
import { decodeContent, decodeMessage, decodePackages, encodePackage, encodeRequest, PACKAGE } from "./protocol.js";
import type { Teardown } from "./teardown.js";

/** Where a client connects to. */
export interface ConnectorAddress {
  sid: string;
  clientPort: number;
}

export interface ClientPlace {
  uid: string;
  connector: ConnectorAddress;
}

export type PushListener = (route: string, body: unknown) => void;

export interface ClientOptions {
  /** Gets every push; then the client keeps none. @default pushes are kept in `received` */
  onPush?: PushListener;
}

/** Id of the handshake among the requests; those that are numbered begin at 1. */
const HANDSHAKE = 0;

/** How many connections are made at the same time: less than what a server's socket lets wait. */
const CONNECTING = 100;

/** A real client of Pomelo and Pinus: their binary protocol on a WebSocket. */
export class FrameworkClient {
  /** The pushes so far, in order. */
  readonly received: { route: string; body: unknown }[] = [];
  readonly uid: string;
  readonly sid: string;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  /** How many heartbeats it has answered. */
  heartbeats = 0;
  /** Why the server has put it out, if it has. */
  kicked: unknown;
  readonly #socket: WebSocket;
  readonly #onPush: PushListener;
  readonly #requests = new Map<number, { resolve(body: unknown): void; reject(error: Error): void }>();
  #lastId = HANDSHAKE;
  #heartbeatMs = 0;
  #heartbeatTimer: NodeJS.Timeout | undefined;

  /** Use {@link FrameworkClient.connect}. */
  private constructor({ uid, connector }: ClientPlace, { onPush }: ClientOptions) {
    this.uid = uid;
    this.sid = connector.sid;
    this.#onPush = onPush ?? ((route, body) => this.received.push({ route, body }));
    this.#socket = new WebSocket(`ws://127.0.0.1:${connector.clientPort}`, { perMessageDeflate: false });
    this.#socket.on("message", (data: Buffer) => this.#take(data));
    // One that cannot be made, or that a killed server resets, is closed all the same.
    this.#socket.on("error", () => {});
    this.closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve())).then(() => this.#end());
  }

  /** Resolves when the client has entered: from then on the connector knows its uid. */
  static async connect(
    t: Teardown,
    uid: string,
    connector: ConnectorAddress,
    options: ClientOptions = {},
  ): Promise<FrameworkClient> {
    const client = new FrameworkClient({ uid, connector }, options);
    t.teardown(() => client.#socket.terminate());
    await client.#enter();
    return client;
  }

  /** Connects many, as fast as the servers take them, in the order given. */
  static async connectAll(
    t: Teardown,
    places: readonly ClientPlace[],
    options: ClientOptions = {},
  ): Promise<FrameworkClient[]> {
    const clients: FrameworkClient[] = [];
    let next = 0;
    const connectNext = async (): Promise<void> => {
      while (next < places.length) {
        const index = next++;
        const { uid, connector } = places[index]!;
        clients[index] = await FrameworkClient.connect(t, uid, connector, options);
      }
    };
    await Promise.all(Array.from({ length: CONNECTING }, connectNext));
    return clients;
  }

  /** Whether the connection is gone. */
  get terminated(): boolean {
    return this.#socket.readyState === WebSocket.CLOSED;
  }

  /** The bodies of the pushes of this route so far, in order. */
  of(route: string): unknown[] {
    return this.received.filter((push) => push.route === route).map(({ body }) => body);
  }

  /** Resolves what a handler of the server answers. Rejects if the connection ends before. */
  request(route: string, body: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = this.#answerTo(id);
    this.#socket.send(encodeRequest(id, route, body));
    return answer;
  }

  /** Disconnects and resolves when the server has agreed, or is gone. */
  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }

  async #enter(): Promise<void> {
    const handshake = this.#answerTo(HANDSHAKE);
    this.#socket.once("open", () => {
      this.#socket.send(
        encodePackage(PACKAGE.handshake, { sys: { type: "globalchannel-test", version: "1" }, user: {} }),
      );
    });
    const { code, sys } = (await handshake) as { code: number; sys: { heartbeat?: number } };
    if (code !== 200) throw new Error(`${this.sid} refused the handshake of ${this.uid} with code ${code}`);
    this.#heartbeatMs = (sys.heartbeat ?? 0) * 1000;
    this.#socket.send(encodePackage(PACKAGE.handshakeAck));
    const answer = (await this.request("connector.entryHandler.enter", { uid: this.uid })) as {
      code: number;
      sid: string;
    };
    if (answer.code !== 200 || answer.sid !== this.sid) {
      throw new Error(`${this.uid} could not enter ${this.sid}: ${JSON.stringify(answer)}`);
    }
  }

  #take(data: Buffer): void {
    for (const { type, body } of decodePackages(data)) {
      if (type === PACKAGE.data) this.#takeMessage(body!);
      else if (type === PACKAGE.heartbeat) this.#answerHeartbeat();
      else if (type === PACKAGE.handshake) this.#settle(HANDSHAKE, decodeContent(body));
      else if (type === PACKAGE.kick) this.kicked = decodeContent(body) ?? true;
    }
  }

  #takeMessage(data: Buffer): void {
    const message = decodeMessage(data);
    if (message.type === "push") this.#onPush(message.route, message.body);
    else this.#settle(message.id, message.body);
  }

  /** The server sends its next heartbeat when it has got one: whoever answered at once would make them run in circles. */
  #answerHeartbeat(): void {
    this.#heartbeatTimer = setTimeout(() => {
      this.heartbeats++;
      this.#socket.send(encodePackage(PACKAGE.heartbeat), () => {});
    }, this.#heartbeatMs).unref();
  }

  #answerTo(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject });
    });
  }

  #settle(id: number, body: unknown): void {
    this.#requests.get(id)?.resolve(body);
    this.#requests.delete(id);
  }

  #end(): void {
    clearTimeout(this.#heartbeatTimer);
    for (const { reject } of this.#requests.values())
      reject(new Error(`${this.uid}: the connection to ${this.sid} is gone`));
    this.#requests.clear();
  }
}
