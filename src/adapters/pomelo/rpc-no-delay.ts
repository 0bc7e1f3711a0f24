import type { Socket } from "node:net";
import type { Application } from "../framework/application.js";

/** A connection of MQTT, or a plain socket. */
type Connection = { stream?: Partial<Socket> } & Partial<Socket>;

interface Mailbox {
  socket?: Connection;
  connect(...args: unknown[]): unknown;
}

/** What is used of pomelo-rpc 1.0; any of it may be missing where an application brings its own. */
interface RpcComponents {
  __proxy__?: { client?: { _station?: { mailboxFactory?: { create(...args: unknown[]): Mailbox } } } };
  __remote__?: {
    remote?: {
      acceptor?: {
        server?: { on?(event: "connection", listener: (socket: Connection) => void): unknown };
        sockets?: Record<string, Connection>;
      };
    };
  };
}

/** How long what is written may wait for more: a turn of the event loop is long where it hands a push to many clients. */
const MAX_CORKED_MS = 1;

/**
 * Sets `TCP_NODELAY` on the sockets of pomelo-rpc, which writes the head and the body of a message apart: without it, the
 * kernel keeps the body until the other side has acknowledged the head, which Linux delays by up to 40 ms, each way. What is
 * written in one turn of the event loop is sent together, so that this costs no more system calls than before.
 *
 * Only objects of this application are changed, and where they are not as expected, nothing is. Call it when the RPC server
 * listens and no mailbox is open yet.
 */
export function setNoDelay(app: Application): void {
  const { __proxy__, __remote__ } = app.components as RpcComponents;

  const acceptor = __remote__?.remote?.acceptor;
  for (const connection of Object.values(acceptor?.sockets ?? {})) sendAtOnce(connection);
  acceptor?.server?.on?.("connection", sendAtOnce);

  const station = __proxy__?.client?._station;
  const factory = station?.mailboxFactory;
  if (typeof factory?.create !== "function") return;
  station!.mailboxFactory = {
    ...factory,
    create(...args) {
      const mailbox = factory.create(...args);
      const connect = mailbox.connect.bind(mailbox);
      mailbox.connect = (...connectArgs) => {
        const result = connect(...connectArgs);
        // Also before it is connected: the socket keeps it in mind.
        sendAtOnce(mailbox.socket);
        return result;
      };
      return mailbox;
    },
  };
}

function sendAtOnce(connection: Connection | undefined): void {
  const socket = (connection?.stream ?? connection) as Socket | undefined;
  if (typeof socket?.setNoDelay !== "function" || typeof socket.cork !== "function") return;
  socket.setNoDelay();
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: Error): Socket => {
    socket.uncork();
    return destroy(error);
  };
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let corkedAt = 0;
  socket.write = (...args: unknown[]): boolean => {
    const now = performance.now();
    if (socket.writableCorked === 0) setImmediate(() => socket.uncork());
    else if (now - corkedAt > MAX_CORKED_MS) socket.uncork();
    if (socket.writableCorked === 0) {
      socket.cork();
      corkedAt = now;
    }
    return write(...args);
  };
}
