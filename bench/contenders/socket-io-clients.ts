import { createServer } from "node:http";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { listenLocally } from "../support/listen.js";
import type { Membership, Receiver, ReceiverOptions } from "./contender.js";
import { adapterOf, type AdapterKind, CLIENT_OPTIONS } from "./socket-io.js";

/** Longer than any bench: heartbeats are no part of a push. */
const PING_MS = 86_400_000;

/** Socket.IO at a frontend, with real clients. Each joins its rooms when it connects. */
export class SocketIoClientsReceiver implements Receiver {
  readonly #client: Redis;
  readonly #server = createServer();
  readonly #rooms = new Map<string, string[]>();

  constructor(kind: AdapterKind, { url }: ReceiverOptions) {
    this.#client = new Redis(url, CLIENT_OPTIONS);
    const io = new Server(this.#server, {
      adapter: adapterOf(kind, url, this.#client),
      transports: ["websocket"],
      serveClient: false,
      perMessageDeflate: false,
      httpCompression: false,
      pingInterval: PING_MS,
      pingTimeout: PING_MS,
    });
    io.on("connection", (socket) => {
      const { uid } = socket.handshake.query;
      void socket.join(this.#rooms.get(uid as string) ?? []);
    });
  }

  async start(): Promise<number> {
    await this.#client.ping();
    return listenLocally(this.#server);
  }

  /** Of those who connect later. */
  async fill(memberships: readonly Membership[]): Promise<void> {
    for (const { name, uid } of memberships) this.#rooms.set(uid, [...(this.#rooms.get(uid) ?? []), name]);
  }
}
