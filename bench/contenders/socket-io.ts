import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server, type ServerOptions, type Socket } from "socket.io";
import { Adapter } from "socket.io-adapter";
import type { Membership, Receiver, ReceiverOptions, Sender } from "./contender.js";
import { ROUTE } from "./message.js";
import { ReplyingRedis } from "./replying-redis.js";

export type AdapterKind = "pubsub" | "sharded" | "streams";
/** The adapters read replies in the form of RESP2. */
export const CLIENT_OPTIONS = { protocol: 2 } as const;

type AdapterFactory = NonNullable<ServerOptions["adapter"]>;

/** Socket.IO at a backend: `io.to(room).emit()`, with one of the adapters for Redis. They acknowledge nothing. */
export class SocketIoSender implements Sender {
  readonly #client: ReplyingRedis;
  readonly #io: Server;

  constructor(kind: AdapterKind, url: string) {
    this.#client = new ReplyingRedis(url, CLIENT_OPTIONS);
    this.#io = new Server({ adapter: adapterOf(kind, url, this.#client) });
  }

  async start(): Promise<void> {
    await this.#client.ping();
    this.#io.of("/");
  }

  /** Not waited for: the push follows on the same connection, and the frontends take both in the same order. */
  async change(leaves: readonly Membership[], joins: readonly Membership[]): Promise<void> {
    for (const { name, uids } of groupByName(leaves)) this.#io.in(uids).socketsLeave(name);
    for (const { name, uids } of groupByName(joins)) this.#io.in(uids).socketsJoin(name);
  }

  async push(name: string, msg: unknown): Promise<undefined> {
    this.#io.to(name).emit(ROUTE, msg);
    await this.#client.lastReply;
  }
}

/** Socket.IO at a frontend, without clients. */
export class SocketIoReceiver implements Receiver {
  readonly #client: Redis;
  readonly #io: Server;

  constructor(kind: AdapterKind, { url, handOver }: ReceiverOptions) {
    this.#client = new Redis(url, CLIENT_OPTIONS);
    this.#io = new Server({ adapter: adapterOf(kind, url, this.#client) });
    this.#endAt(handOver);
  }

  async start(): Promise<undefined> {
    await this.#client.ping();
  }

  async fill(memberships: readonly Membership[]): Promise<void> {
    const { adapter, sockets } = this.#io.of("/");
    for (const { name, uid } of memberships) {
      sockets.set(uid, socketWithoutClient(adapter, uid));
      void adapter.addAll(uid, new Set([uid, name]));
    }
  }

  /**
   * What an adapter gets for the sockets of its own server it hands to `Adapter`, from which all are derived: the end of its
   * way where there are no clients.
   */
  #endAt(handOver: ReceiverOptions["handOver"]): void {
    const own = this.#io.of("/").adapter;
    receivers.set(own, handOver);
  }
}

/** As much of a socket as an adapter needs to change its rooms when another server asks for it; it does that as `Socket` does. */
function socketWithoutClient(adapter: Adapter, id: string): Socket {
  const socket: Pick<Socket, "id" | "join" | "leave"> = {
    id,
    join: (rooms) => adapter.addAll(id, new Set(typeof rooms === "string" ? [rooms] : rooms)),
    leave: (room) => adapter.del(id, room),
  };
  return socket as Socket;
}

/** One request for each room changes it for all. */
function groupByName(memberships: readonly Membership[]): { name: string; uids: string[] }[] {
  const uidsOf = new Map<string, string[]>();
  for (const { name, uid } of memberships) {
    const uids = uidsOf.get(name);
    if (uids) uids.push(uid);
    else uidsOf.set(name, [uid]);
  }
  return Array.from(uidsOf, ([name, uids]) => ({ name, uids }));
}

/** Of the adapters at this frontend. */
const receivers = new WeakMap<Adapter, ReceiverOptions["handOver"]>();
const { broadcast } = Adapter.prototype;
Adapter.prototype.broadcast = function (this: Adapter, packet, options) {
  const handOver = receivers.get(this);
  if (handOver) handOver((packet as { data: [string, { number: number }] }).data[1].number);
  else broadcast.call(this, packet, options);
};

export function adapterOf(kind: AdapterKind, url: string, client: Redis): AdapterFactory {
  switch (kind) {
    case "pubsub":
      return createAdapter(client, new Redis(url, CLIENT_OPTIONS)) as AdapterFactory;
    case "sharded":
      return createShardedAdapter(client, new Redis(url, CLIENT_OPTIONS)) as AdapterFactory;
    case "streams":
      // As with the others: nothing is to be lost where a frontend is behind.
      return createStreamsAdapter(client, { maxLen: 100_000 }) as AdapterFactory;
  }
}
