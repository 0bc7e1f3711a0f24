import { createServer } from "node:http";
import { Redis } from "ioredis";
import { listenLocally } from "../support/listen.js";
import type { Membership, Receiver, ReceiverOptions } from "./contender.js";
import { adapterOf, type AdapterKind, CLIENT_OPTIONS } from "./socket-io.js";
import { socketIoServer, uidOf } from "./socket-io-server.js";

/** Socket.IO at a frontend, with real clients. Each joins its rooms when it connects. */
export class SocketIoClientsReceiver implements Receiver {
  readonly #client: Redis;
  readonly #server = createServer();
  readonly #rooms = new Map<string, string[]>();

  constructor(kind: AdapterKind, { url }: ReceiverOptions) {
    this.#client = new Redis(url, CLIENT_OPTIONS);
    const io = socketIoServer(this.#server, { adapter: adapterOf(kind, url, this.#client) });
    io.on("connection", (socket) => void socket.join(this.#rooms.get(uidOf(socket)) ?? []));
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
