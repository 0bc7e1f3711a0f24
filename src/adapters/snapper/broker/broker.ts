import { reportError } from "../../../diagnostics.js";
import { GlobalChannelError } from "../../../errors.js";
import { Frontend } from "../../../frontend/frontend.js";
import { GlobalChannelService } from "../../../service/service.js";
import type { TokenPayload } from "../tokens/token-verifier.js";
import { RpcServer } from "../rpc/rpc-server.js";
import { checkBackendToken } from "./backend-token.js";
import { ConsumerConnector } from "./consumers/consumer-connector.js";
import { identify } from "./consumers/consumer-id.js";
import { httpRequests } from "./http-requests.js";
import { brokerMethods } from "./methods.js";
import { type BrokerOptions, resolveBrokerOptions } from "./options.js";
import { Rooms } from "./rooms/rooms.js";
import { BrokerStats } from "./stats.js";

/**
 * Takes messages of producers to rooms, and hands them to the consumers there: `Producer`, or npm's `snapper-producer`, over TCP, and npm's
 * `snapper-consumer`, or anything that speaks its protocol, over Engine.IO. Brokers in many processes that share a cluster are one.
 *
 * A consumer is who has a token with a `userId`, and is in that user's room, `user<userId>`, from its first connection on. What is sent to its
 * rooms it gets in order, once, and after it was away, too: see `keepMs` and `maxQueued`.
 */
export class Broker {
  readonly #options: ReturnType<typeof resolveBrokerOptions>;
  readonly #service: GlobalChannelService;
  readonly #connector: ConsumerConnector;
  readonly #frontend: Frontend;
  readonly #rpc: RpcServer<TokenPayload>;
  readonly #stats: BrokerStats;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: BrokerOptions) {
    const resolved = (this.#options = resolveBrokerOptions(options));
    const { cluster, sid, stype, tokens, keepMs, maxQueued, maxFrameBytes } = resolved;
    const report = (error: unknown): void => this.#report(error);
    const { history, store, keepsOrder } = cluster;
    this.#service = new GlobalChannelService({ cluster: cluster.input, maxMessageBytes: maxFrameBytes });
    const rooms = new Rooms({
      service: this.#service,
      history,
      store,
      stype,
      keepsOrder,
      keepMs,
      limits: { size: maxQueued, ttlMs: keepMs },
    });
    const { registry } = cluster.input;
    this.#stats = new BrokerStats({ sid, stype, store, registry, online: () => this.#connector.count, report });
    this.#connector = new ConsumerConnector({
      ...resolved,
      history,
      store,
      rooms,
      isOrdered: keepsOrder || history.appendsAtOnce === true,
      service: this.#service,
      identify: (token) => identify(token, tokens.verify(token)),
      request: httpRequests({ tokens, stats: () => this.#stats.read(), report }),
      connected: () => this.#stats.connected(),
      delivered: (count) => this.#stats.delivered(count),
      report,
    });
    this.#frontend = new Frontend({ sid, stype, cluster: cluster.input, connector: this.#connector });
    this.#rpc = new RpcServer({
      authenticate: (token) => checkBackendToken(tokens.verify(token)),
      methods: brokerMethods({ rooms, published: (count) => this.#stats.published(count), report }),
      maxFrameBytes,
      onError: report,
    });
  }

  /** The port for consumers. @throws `GC_NOT_STARTED` */
  get port(): number {
    return this.#connector.port;
  }

  /** The port for producers. @throws `GC_NOT_STARTED` */
  get rpcPort(): number {
    return this.#rpc.port;
  }

  /**
   * Resolves when consumers and producers can connect. Calling it again returns the same promise.
   * @throws `GC_CLOSED`; the error of the system, as `EADDRINUSE`; what the cluster's parts throw. Everything is undone then, and the broker
   *   cannot be started again
   */
  start(): Promise<void> {
    if (this.#stopping) return Promise.reject(new GlobalChannelError("GC_CLOSED", "this broker has been stopped"));
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.stop().catch((failure: unknown) => this.#report(failure));
      throw error;
    });
    return this.#starting;
  }

  /**
   * Answers what producers have asked, disconnects all, and notes where consumers were, so that other brokers go on with them. Calling it
   * again returns the same promise.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    const { rpcPort, host } = this.#options;
    await this.#service.start();
    await this.#frontend.start();
    this.#stats.start();
    await this.#connector.listen();
    await this.#rpc.listen(rpcPort, host);
  }

  async #stop(): Promise<void> {
    await this.#rpc.close();
    await this.#stats.stop();
    await this.#frontend.stop();
    await this.#service.stop();
  }

  #report(error: unknown): void {
    const { onError } = this.#options;
    if (onError) onError(error as Error);
    else reportError(this, error);
  }
}
