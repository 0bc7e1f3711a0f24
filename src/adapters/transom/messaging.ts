import { randomUUID } from "node:crypto";
import { type AnyServer, SocketIoConnector } from "../../connectors/socket-io/connector.js";
import { GlobalChannelError } from "../../errors.js";
import { Frontend } from "../../frontend/frontend.js";
import { memory } from "../../memory.js";
import { GlobalChannelService } from "../../service/service.js";
import { OneTimeTokens } from "../../tokens/one-time-tokens.js";
import type { Cluster } from "../../types.js";
import { authenticateBy, authentication, uidOfSocket } from "./authentication.js";
import { attach, type Attachment, type HttpServerOwner, httpServerOf, makeSocketIo } from "./http-server.js";
import { type Gate, TransomMessageClient } from "./message-client.js";
import { resolveTransomOptions, type TransomOptions } from "./options.js";
import { checkServer, type TransomServer } from "./server.js";

/** Of `transom-socketio-internal`: what its documents say, and what its code used. */
const CLIENT_KEYS = ["transomMsgClient", "transomMessageClient"];

interface OpenGate extends Gate {
  /** Where the Socket.IO server was made here. */
  attachment: Attachment | undefined;
  letInAgain: () => void;
}

/** One life of the plugin, from `initialize` to `stop`. */
export class Messaging {
  readonly client: TransomMessageClient;
  readonly #server: TransomServer;
  readonly #options: ReturnType<typeof resolveTransomOptions>;
  readonly #cluster: Cluster;
  readonly #service: GlobalChannelService;
  readonly #tokens: OneTimeTokens | undefined;
  readonly #keys: string[] = [];
  #starting: Promise<void> | undefined;
  #gate: OpenGate | undefined;
  #opening: Promise<void> | undefined;

  /** @throws `GC_INVALID_OPTION`, `GC_INVALID_ARGUMENT` */
  constructor(server: TransomServer, options: TransomOptions) {
    this.#server = checkServer(server);
    this.#options = resolveTransomOptions(options);
    this.#cluster = this.#options.cluster ?? memory();
    this.#service = new GlobalChannelService({ ...this.#options.service, cluster: this.#cluster });
    const { tokens } = this.#cluster;
    this.#tokens = tokens && new OneTimeTokens({ ...this.#options.tokens, store: tokens });
    this.client = new TransomMessageClient({
      stype: this.#options.stype,
      service: this.#service,
      ready: () => this.#opening ?? this.start(),
      gate: () => this.#gate,
    });
  }

  /** Whether there are other processes. */
  get isShared(): boolean {
    return this.#options.cluster !== undefined;
  }

  get isOpen(): boolean {
    return this.#gate !== undefined;
  }

  /** Registers the client, which waits for the rest, and connects to the cluster. Called again, it is the same start. */
  async start(): Promise<void> {
    if (!this.#starting) {
      this.#register();
      this.#starting = this.#service.start();
    }
    try {
      await this.#starting;
    } catch (error) {
      this.#unregister();
      this.#starting = undefined;
      throw error;
    }
  }

  /** Lets clients connect. Resolves when the frontend is live. */
  async open(httpServer: HttpServerOwner | undefined, given: AnyServer | undefined): Promise<void> {
    const http = given ? undefined : httpServerOf(httpServer);
    const io = given ?? makeSocketIo(this.#options.socketio);
    const { authMiddleware, nonceHandler, stype, sid = `${stype}-${randomUUID()}` } = this.#options;
    const connector = new SocketIoConnector({ ...this.#options.connector, io, uid: uidOfSocket });
    const frontend = new Frontend({ ...this.#options.frontend, sid, stype, cluster: this.#cluster, connector });
    const useToken = async (token: string): Promise<unknown> => (await this.#startedTokens()).useToken(token);
    const middleware = authentication({ server: this.#server, authMiddleware, nonceHandler, useToken });
    const letInAgain = authenticateBy(io, middleware);
    const attachment = http && attach(io, http, this.#options.socketio);
    this.#gate = { io, connector, frontend, attachment, letInAgain };
    // The service first: whoever finds this frontend finds its parts started.
    this.#opening = this.start().then(() => frontend.start());
    try {
      await this.#opening;
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  async createToken(payload: unknown, options?: { ttlMs?: number }): Promise<string> {
    return (await this.#startedTokens()).createToken(payload, options);
  }

  /** Everything ends that can: what fails is thrown when the rest is done. */
  async stop(): Promise<void> {
    await Promise.allSettled([this.#opening ?? this.#starting]);
    this.#unregister();
    try {
      await this.#close();
    } finally {
      await this.#service.stop();
    }
  }

  async #close(): Promise<void> {
    const gate = this.#gate;
    this.#gate = this.#opening = undefined;
    // First: clients that the frontend closes connect again at once, and are to do that elsewhere.
    gate?.attachment?.leave();
    try {
      await gate?.frontend.stop();
    } finally {
      gate?.attachment?.close();
      gate?.letInAgain();
    }
  }

  async #startedTokens(): Promise<OneTimeTokens> {
    if (!this.#tokens) {
      throw new GlobalChannelError("GC_UNSUPPORTED", "tokens need a cluster with the part tokens, as redis(url) has");
    }
    await this.start();
    return this.#tokens;
  }

  #register(): void {
    const { registry } = this.#server;
    const { registryKey } = this.#options;
    const keys = registryKey === undefined ? CLIENT_KEYS : [registryKey];
    const taken = keys.find((key) => registry.has(key));
    if (taken !== undefined) {
      throw new GlobalChannelError(
        "GC_INVALID_ARGUMENT",
        `the server's registry has something by the key ${JSON.stringify(taken)} already; give another registryKey`,
        { argument: "server" },
      );
    }
    for (const key of keys) {
      registry.set(key, this.client);
      this.#keys.push(key);
    }
  }

  #unregister(): void {
    for (const key of this.#keys.splice(0)) this.#server.registry.remove?.(key);
  }
}
