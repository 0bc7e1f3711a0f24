import type { Namespace, Server, Socket } from "socket.io";
import { invalid } from "../../arguments.js";
import { aBoolean, aFunction, amount, milliseconds, resolveOptions } from "../../options.js";

/** A server, a namespace and a socket of Socket.IO 4, whatever events they are typed with. */
// oxlint-disable typescript/no-explicit-any
export type AnyServer = Server<any, any, any>;
export type AnyNamespace = Namespace<any, any, any>;
export type AnySocket = Socket<any, any, any>;
// oxlint-enable typescript/no-explicit-any

/** Options of {@link SocketIoConnector}. */
export interface SocketIoConnectorOptions {
  /**
   * The clients' server, or one namespace of it, of Socket.IO 4.6 or newer. It stays its owner's: the connector neither makes it
   * listen nor closes it. It needs no adapter for Redis.
   */
  io: AnyServer | AnyNamespace;
  /**
   * Says who the client is of a socket that has connected, after the middlewares of its namespace. Of one that it gives undefined or
   * null for nobody knows who it is: it stays open, and gets no push. So does one for which it throws or gives no valid uid, which
   * is reported. @default `socket.data.uid`
   */
  uid?: ((socket: AnySocket) => string | number | null | undefined) | undefined;
  /**
   * Whether clients are to acknowledge pushes, by the callback that Socket.IO gives them beside the message: all pushes, or those of
   * these routes. A user has got a push then when the first of its clients has acknowledged it, and is *unknown* when none has in time.
   * @default false
   */
  acknowledge?: boolean | ((route: string) => boolean) | undefined;
  /**
   * For how long an acknowledgement is waited for, in milliseconds. Pushes must wait longer (`timeoutMs`), or nothing of them is known.
   * @default 2000
   */
  acknowledgeTimeoutMs?: number | undefined;
  /**
   * A client that takes nothing while more than this has come for it is closed at the next push: it cannot keep up. In bytes, of texts
   * characters.
   * @default 1_048_576
   */
  maxBufferedBytes?: number | undefined;
  /**
   * Whether the sockets of a channel's members at this frontend are in the room of its name, so that `io.to("guild-7")` reaches them
   * at this server: whoever makes them members, from the moment that the frontend hears of it. Pushes do not use these rooms. Where clients
   * may name channels, give those names a prefix: a room may be anything, also the id of a socket at another server.
   * @default false
   */
  rooms?: boolean | undefined;
}

/** @throws `GC_INVALID_OPTION` */
export function resolveSocketIoOptions(given: SocketIoConnectorOptions) {
  return resolveOptions("SocketIoConnector", given, {
    io: checkNamespace,
    uid: (option, value = uidInData) => aFunction<NonNullable<SocketIoConnectorOptions["uid"]>>()(option, value),
    acknowledge: (option, value = false) => {
      if (typeof value === "boolean") return () => value;
      if (typeof value !== "function") throw invalid(option, value, "true, false or a function");
      return value as (route: string) => boolean;
    },
    acknowledgeTimeoutMs: milliseconds(2000),
    maxBufferedBytes: amount(1_048_576),
    rooms: aBoolean(false),
  });
}

function checkNamespace(option: string, value: unknown): AnyNamespace {
  const { sockets } = (value ?? {}) as { sockets?: unknown };
  // A server's `sockets` is its main namespace, and a namespace's the map of its sockets.
  const namespace = (sockets instanceof Map ? value : sockets) as AnyNamespace | undefined;
  if (!(namespace?.sockets instanceof Map) || typeof namespace.adapter?.broadcastWithAck !== "function") {
    throw invalid(option, value, "a Server or a Namespace of Socket.IO 4.6 or newer");
  }
  // Its sockets are those of its children, of which each has an adapter of its own.
  if ("children" in namespace) throw invalid(option, value, "one namespace, not a pattern for their names");
  return namespace;
}

function uidInData({ data }: AnySocket): string | number | null | undefined {
  return (data as { uid?: string | number | null } | undefined)?.uid;
}
