import { createRequire } from "node:module";
import { join } from "node:path";
import type { Server as HttpServer } from "node:http";
import type { Namespace, Server, ServerOptions } from "socket.io";
import { invalid } from "../../arguments.js";

/** A server of Node.js, or something that has one: a Restify server as `server`, a Transom server as `restify`. */
export type HttpServerOwner = HttpServer | { server: unknown } | { restify: unknown };

/** @throws `GC_INVALID_ARGUMENT` */
export function httpServerOf(value: unknown): HttpServer {
  const owner = value as { server?: unknown; restify?: { server?: unknown } } | null | undefined;
  const server = [value, owner?.server, owner?.restify?.server].find(isHttpServer);
  if (server) return server;
  throw invalid("httpServer", value, "an HTTP server, or a Restify or Transom server");
}

function isHttpServer(value: unknown): value is HttpServer {
  const server = value as Partial<HttpServer> | null | undefined;
  // A Restify server listens too, and is none.
  return typeof server?.listen === "function" && typeof server.closeAllConnections === "function";
}

/**
 * Makes a Socket.IO server.
 * @throws `MODULE_NOT_FOUND` where `socket.io` is not installed
 */
export function makeSocketIo(options: Partial<ServerOptions>): Server {
  // Not imported: a process that only emits does not need it, and one that does has it at once.
  const load = createRequire(join(import.meta.dirname, "index.js"));
  const socketIo = load("socket.io") as { Server: typeof Server };
  return new socketIo.Server(options);
}

/** A Socket.IO server that answers on an HTTP server for a while. */
export interface Attachment {
  /** Nobody connects any more: the HTTP server is as it was. */
  leave(): void;
  /** Closes what is connected still. Not `io.close()`: that ends the HTTP server too, which is its owner's. */
  close(): void;
}

/** Lets a Socket.IO server answer on an HTTP server. */
export function attach(io: Server, http: HttpServer, options: Partial<ServerOptions>): Attachment {
  const events = ["request", "upgrade", "listening", "close"] as const;
  const before = events.map((event) => http.rawListeners(event) as Listener[]);
  io.attach(http, options);
  const changes = events.map((event, index) => {
    const now = http.rawListeners(event) as Listener[];
    return {
      event,
      added: now.filter((listener) => !before[index]!.includes(listener)),
      // Those of requests are called by the one that was added.
      removed: before[index]!.filter((listener) => !now.includes(listener)),
    };
  });
  return {
    leave() {
      for (const { event, added, removed } of changes) {
        for (const listener of added) http.off(event, listener);
        for (const listener of removed.toReversed()) http.prependListener(event, listener);
      }
    },
    close() {
      io.engine.close();
      for (const { adapter } of namespacesOf(io)) void adapter.close();
    },
  };
}

function namespacesOf(io: Server): Iterable<Namespace> {
  return io["_nsps"].values();
}

type Listener = (...args: unknown[]) => void;
