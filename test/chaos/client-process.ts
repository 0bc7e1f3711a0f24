// All clients of the chaos suite: real WebSocket connections, and what each of them gets.
import { WebSocket } from "ws";
import { monotonicMs } from "../support/monotonic.js";
import { serveParent } from "../support/process.js";
import type { Connection } from "./history.js";

export type ClientApi = typeof api;

/** How long a client waits for its session. */
const PATIENCE_MS = 3000;

interface Client {
  socket: WebSocket;
  record: Connection;
  closed: Promise<void>;
}

const clients = new Map<number, Client>();

const api = {
  /** Resolves whether the frontend has the session now. */
  async connect(where: Pick<Connection, "id" | "uid" | "sid" | "frontend">, port: number): Promise<boolean> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?uid=${encodeURIComponent(where.uid)}`);
    const record: Connection = { ...where, triedAt: monotonicMs(), received: [] };
    const closed = new Promise<void>((resolve) => {
      socket.on("close", () => {
        record.closedAt = monotonicMs();
        record.closingAt ??= record.closedAt;
        resolve();
      });
    });
    clients.set(where.id, { socket, record, closed });
    socket.on("error", () => {});
    socket.on("open", () => socket.send(JSON.stringify({ route: "hello", msg: where.id })));
    return new Promise((resolve) => {
      const timer = setTimeout(() => socket.terminate(), PATIENCE_MS);
      socket.on("message", (data: Buffer) => {
        const { msg } = JSON.parse(data.toString()) as { msg: { push?: number; connection?: number } };
        if (msg.push !== undefined) record.received.push({ push: msg.push, at: monotonicMs() });
        // Other connections of the user are greeted, too.
        if (msg.connection !== where.id || record.openAt !== undefined) return;
        clearTimeout(timer);
        record.openAt = monotonicMs();
        resolve(true);
      });
      void closed.then(() => {
        clearTimeout(timer);
        resolve(record.openAt !== undefined);
      });
    });
  },

  /** Resolves when the connection is gone. */
  closed: (id: number) => clients.get(id)!.closed,

  async close(id: number): Promise<void> {
    const { socket, record, closed } = clients.get(id)!;
    record.closingAt ??= monotonicMs();
    socket.close();
    // A frontend that is stopped does not answer.
    setTimeout(() => socket.terminate(), 500).unref();
    await closed;
  },

  /** Everything so far. */
  collect: () => [...clients.values()].map(({ record }) => record),
};

serveParent(api);
