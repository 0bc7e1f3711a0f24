import type { Server as HttpServer } from "node:http";
import { Server, type ServerOptions, type Socket } from "socket.io";

/** Longer than any bench: heartbeats are no part of a push. */
const PING_MS = 86_400_000;

/** A Socket.IO server for real clients, the same for all contenders that have one. @param options what is its own */
export function socketIoServer(server: HttpServer, options: Pick<Partial<ServerOptions>, "adapter"> = {}): Server {
  return new Server(server, {
    ...options,
    transports: ["websocket"],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    pingInterval: PING_MS,
    pingTimeout: PING_MS,
  });
}

/** Who a client says it is. */
export function uidOf({ handshake }: Socket): string {
  return handshake.query.uid as string;
}
