import diagnostics from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { watchRedisCalls } from "./redis-calls.js";

/** What a server has used since it began. */
export interface ServerUsage {
  cpuMs: number;
  /** What it has sent to Redis, and how often it had nothing on the way before. */
  commands: number;
  roundTrips: number;
  redisBytesRead: number;
  redisBytesWritten: number;
  rpcBytesWritten: number;
}

/** Where a server connects to. */
export interface Ports {
  redis: number;
  /** Those of the RPC of other servers. */
  rpc: ReadonlySet<number>;
}

/** Watches this process; call it before the first connection is opened. */
export function watchServerUsage(): (ports: Ports) => ServerUsage {
  const opened = new Map<Socket, { port: number | undefined }>();
  diagnostics.subscribe("net.client.socket", (message) => {
    const { socket } = message as { socket: Socket };
    const entry: { port: number | undefined } = { port: undefined };
    opened.set(socket, entry);
    // A socket that has closed does not know it any more.
    socket.once("connect", () => (entry.port = socket.remotePort));
  });
  const calls = watchRedisCalls();
  return ({ redis, rpc }) => {
    const { user, system } = process.cpuUsage();
    const sockets = [...opened];
    const toRedis = sockets.filter(([, { port }]) => port === redis).map(([socket]) => socket);
    const toRpc = sockets.filter(([, { port }]) => port !== undefined && rpc.has(port)).map(([socket]) => socket);
    return {
      cpuMs: (user + system) / 1000,
      ...calls(),
      redisBytesRead: sum(toRedis, ({ bytesRead }) => bytesRead),
      redisBytesWritten: sum(toRedis, ({ bytesWritten }) => bytesWritten),
      rpcBytesWritten: sum(toRpc, ({ bytesWritten }) => bytesWritten),
    };
  };
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
