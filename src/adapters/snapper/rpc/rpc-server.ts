import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { reportError } from "../../../diagnostics.js";
import { GlobalChannelError } from "../../../errors.js";
import { listen } from "../listen.js";
import { resolveRpcServerOptions, type RpcServerOptions } from "./options.js";
import { RpcConnection } from "./rpc-connection.js";

/** How long a connection may be silent before its client is asked whether it is there still, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;

/**
 * Serves JSON-RPC 2.0 over TCP, as producers of Snapper speak it. A client first shows who it is, by a request `auth` with its token. The
 * calls of one connection are done one after the other, in their order. What is not of the protocol closes its connection at once, and
 * harms no other.
 */
export class RpcServer<A> {
  readonly #options: ReturnType<typeof resolveRpcServerOptions<A>>;
  readonly #server: Server;
  readonly #connections = new Set<RpcConnection<A>>();
  #closed: Promise<void> | undefined;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: RpcServerOptions<A>) {
    this.#options = resolveRpcServerOptions(options);
    const { authenticate, methods, maxFrameBytes, authTimeoutMs } = this.#options;
    const onError = this.#options.onError ?? ((error: Error) => reportError(this, error));
    const settings = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    this.#server = createServer(settings, (socket) => {
      const connection = new RpcConnection(socket, { authenticate, methods, maxFrameBytes, authTimeoutMs, onError });
      this.#connections.add(connection);
      void connection.done.then(() => this.#connections.delete(connection));
    });
    // One that cannot be taken, as there are too many files open; what listen meets, it throws.
    this.#server.on("error", (error) => {
      if (this.#server.listening) onError(error);
    });
  }

  /**
   * Resolves when clients can connect.
   * @param port 0 for any that is free
   * @param host the address of one network interface. @default all of them
   * @throws `GC_CLOSED`; the error of the system, as `EADDRINUSE`
   */
  async listen(port = 0, host?: string): Promise<void> {
    await listen(this.#server, port, host, () => this.#closed !== undefined);
  }

  /** Where clients connect. @throws `GC_NOT_STARTED` */
  get port(): number {
    const address = this.#server.address() as AddressInfo | null;
    if (!address) throw new GlobalChannelError("GC_NOT_STARTED", "the server does not listen");
    return address.port;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Takes no more clients and requests, answers the requests under way, and does notifications that are on the way. Resolves when all
   * connections are gone, those that are not after `closeTimeoutMs` by force. Does nothing where it is closed.
   */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const isListening = this.#server.listening;
    const closed = isListening ? once(this.#server, "close") : undefined;
    if (isListening) this.#server.close();
    const connections = [...this.#connections];
    for (const connection of connections) connection.close();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.closeTimeoutMs);
    });
    await Promise.race([Promise.all(connections.map(({ done }) => done)), late]);
    clearTimeout(timer);
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }
}
