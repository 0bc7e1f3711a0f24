import diagnostics from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** What a process has used since it began. */
export interface ProcessUsage {
  cpuMs: number;
  /** By the connections that it has opened: those to Redis. */
  bytesRead: number;
  bytesWritten: number;
  /** What the library has reported that no caller waited for. */
  errors: readonly string[];
}

/** Watches this process; call it before the first connection is opened. */
export function watchUsage(): () => ProcessUsage {
  const sockets: Socket[] = [];
  const errors: string[] = [];
  diagnostics.subscribe("net.client.socket", (message) => sockets.push((message as { socket: Socket }).socket));
  diagnostics.subscribe("globalchannel:error", (message) => errors.push(String((message as { error: Error }).error)));
  return () => {
    const { user, system } = process.cpuUsage();
    return {
      cpuMs: (user + system) / 1000,
      bytesRead: sockets.reduce((sum, socket) => sum + socket.bytesRead, 0),
      bytesWritten: sockets.reduce((sum, socket) => sum + socket.bytesWritten, 0),
      errors,
    };
  };
}

export function processUsageBetween(before: ProcessUsage, after: ProcessUsage): ProcessUsage {
  return {
    cpuMs: after.cpuMs - before.cpuMs,
    bytesRead: after.bytesRead - before.bytesRead,
    bytesWritten: after.bytesWritten - before.bytesWritten,
    errors: after.errors.slice(before.errors.length),
  };
}
