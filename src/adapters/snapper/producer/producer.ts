import { checkList, checkName, encodeJson, invalid } from "../../../arguments.js";
import { GlobalChannelError } from "../../../errors.js";
import { type Callback, withCallback } from "../../../service/callback.js";
import { TokenSigner } from "../tokens/token-signer.js";
import { Backlog } from "./backlog.js";
import type { Settlers } from "./batch.js";
import { BrokerClient } from "./broker-client.js";
import { Dispatcher } from "./dispatcher.js";
import { checkEndpoint } from "./endpoint.js";
import { type ProducerOptions, resolveProducerOptions, type ResolvedProducerOptions } from "./options.js";
import { ProducerEmitter } from "./producer-emitter.js";

/** What a {@link Producer} has now. */
export interface ProducerStats {
  /** Whether the broker has let it in, and its connection is not known to be lost. */
  isConnected: boolean;
  /** Messages and requests that the broker has not confirmed. */
  queued: number;
}

/**
 * Sends messages to the rooms of a Snapper broker, and puts consumers into these: the client that servers have. It connects at once, and
 * again after each loss, for as long as it takes: after 50 to 100 ms, then twice as long each time up to `maxReconnectDelayMs`, and
 * after that where its token is refused.
 *
 * Everything is done in the order of the calls. Messages go in batches of up to 50, one at a time, which are kept until the broker has
 * confirmed them, and are sent again under the same id after a loss of the connection, or after an error that the broker calls temporary.
 * Delivery class: a broker of this package does each message once, even where it is killed meanwhile; brokers of other makes
 * at least once, and what they answer with an error is not sent again. What is not confirmed when the process ends is lost.
 *
 * Events: `connect`, `reconnecting` ({@link Reconnecting}), `drain`, `close` and `error`: `GC_BROKER_UNREACHABLE` once for each loss;
 * `GC_INVALID_TOKEN` the broker refuses the token; `GC_BROKER_ERROR` it refuses messages, which are lost unless the error is temporary;
 * `GC_PROTOCOL_ERROR`; `GC_TIMEOUT` it was closed before everything was confirmed. Where nobody listens to `error`, it is a warning of the
 * process, which goes on.
 */
export class Producer extends ProducerEmitter {
  readonly #options: ResolvedProducerOptions;
  readonly #signer: TokenSigner;
  readonly #backlog: Backlog;
  readonly #client: BrokerClient;
  readonly #dispatcher: Dispatcher;
  #closed: Promise<number> | undefined;

  /**
   * @param port the one that the broker listens at for producers
   * @param host a name, an IP address, or a URL of such, as `http://snapper.example.com`. @default `127.0.0.1`
   * @throws `GC_INVALID_ARGUMENT`, `GC_INVALID_OPTION`
   */
  constructor(port: number, host: string | undefined, options: ProducerOptions);
  constructor(port: number, options: ProducerOptions);
  constructor(port: number, ...rest: [string | undefined, ProducerOptions] | [ProducerOptions]) {
    super();
    const [host, options] = rest.length > 1 ? (rest as [string | undefined, ProducerOptions]) : [undefined, rest[0]];
    const endpoint = checkEndpoint(port, host);
    this.#options = resolveProducerOptions(options as ProducerOptions);
    this.#signer = new TokenSigner(this.#options);
    const { producerId, timeoutMs, maxReconnectDelayMs, maxMessageBytes } = this.#options;
    this.#backlog = new Backlog({ source: this, ...this.#options, drained: () => this.tell("drain") });
    this.#client = new BrokerClient({
      endpoint,
      token: () => this.#signer.sign({ id: producerId }),
      timeoutMs,
      maxReconnectDelayMs,
      connected: () => this.tell("connect"),
      reconnecting: (event) => this.tell("reconnecting", event),
      failed: (error) => this.tellError(error),
    });
    this.#dispatcher = new Dispatcher({
      client: this.#client,
      backlog: this.#backlog,
      maxBatchBytes: maxMessageBytes,
      timeoutMs,
      maxRetryDelayMs: maxReconnectDelayMs,
      refused: (error, messages) => this.tellError(refusal(error, messages)),
    });
  }

  get stats(): ProducerStats {
    return { isConnected: this.#client.isConnected, queued: this.#backlog.size };
  }

  /**
   * Signs a token for a consumer, as for its user: the broker asks for a `userId`. It is good for `expiresInSeconds`, unless `payload` has
   * an `exp`, in seconds since 1970. Works without a connection.
   * @throws `GC_INVALID_ARGUMENT` it is no object, or its token would have more than 8192 characters
   */
  signAuth(payload: object): string {
    return this.#signer.sign(payload);
  }

  /**
   * Has a message delivered to all consumers in a room. Returns the producer. What becomes of it tells {@link publish}; of this one, that
   * it is lost tells the event `error`.
   * @param room a non-empty text of up to 1024 bytes
   * @param message a non-empty text
   * @throws `GC_INVALID_ARGUMENT`, `GC_MESSAGE_TOO_LARGE`, `GC_OVERLOADED` too much waits: it was not taken; the event `drain` follows;
   *   `GC_CLOSED`
   */
  sendMessage(room: string, message: string): this {
    this.#send(room, message);
    return this;
  }

  /**
   * {@link sendMessage}, resolving when the broker has confirmed it, however long that takes.
   * @throws as that, and `GC_BROKER_ERROR` the broker has refused it
   */
  publish(room: string, message: string): Promise<void> {
    return new Promise((resolve, reject) => this.#send(room, message, { resolve, reject }));
  }

  /**
   * Puts a consumer into a room. Resolves what the broker answers: 1, or 0 where it was in there.
   * @param consumerId the id that the broker has given it
   * @param callback gets the same
   * @throws `GC_INVALID_ARGUMENT`, `GC_OVERLOADED`, `GC_BROKER_ERROR`, `GC_BROKER_UNREACHABLE` it was not sent within `timeoutMs`;
   *   `GC_TIMEOUT` it was, and not answered; `GC_CLOSED`
   */
  joinRoom(room: string, consumerId: string, callback?: Callback<unknown>): Promise<unknown> {
    return withCallback(this.#requestFor("subscribe", room, consumerId), callback);
  }

  /** Takes a consumer out of a room: 1, or 0 where it was not in there. See {@link joinRoom}. */
  leaveRoom(room: string, consumerId: string, callback?: Callback<unknown>): Promise<unknown> {
    return withCallback(this.#requestFor("unsubscribe", room, consumerId), callback);
  }

  /**
   * Asks the broker something else, as `consumers` of `[userId]`. Resolves its answer. Where the connection is lost, it is asked again
   * under the same id: brokers of other makes may do it twice.
   * @throws as {@link joinRoom}; `GC_MESSAGE_NOT_SERIALIZABLE`, `GC_MESSAGE_TOO_LARGE`
   */
  async request(method: string, params: readonly unknown[] = []): Promise<unknown> {
    this.#checkOpen();
    checkName("method", method);
    const list = checkList("params", params, (_argument, item) => item);
    return this.#dispatcher.request(method, this.#encode("params", list));
  }

  /**
   * Closes it when the broker has confirmed everything, after `closeTimeoutMs` in any case; what is not confirmed then fails with
   * `GC_CLOSED`. Nothing more is taken. Resolves how many messages and requests that were, when the connection is gone; never rejects.
   */
  close(): Promise<number> {
    return (this.#closed ??= this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #send(room: unknown, message: unknown, settlers?: Settlers): void {
    this.#checkOpen();
    checkName("room", room);
    if (typeof message !== "string" || message === "") throw invalid("message", message, "a non-empty string");
    this.#dispatcher.publish(this.#encode("message", [room, message]), settlers);
  }

  async #requestFor(method: string, room: unknown, consumerId: unknown): Promise<unknown> {
    return this.request(method, [checkName("room", room), checkName("consumerId", consumerId)]);
  }

  #encode(argument: string, value: readonly unknown[]): string {
    return encodeJson(argument, value, { maxBytes: this.#options.maxMessageBytes, bound: "maxMessageBytes" });
  }

  #checkOpen(): void {
    if (this.#closed) throw new GlobalChannelError("GC_CLOSED", "the producer is closed");
  }

  async #close(): Promise<number> {
    const { closeTimeoutMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closeTimeoutMs);
    });
    await Promise.race([this.#backlog.empty(), late]);
    clearTimeout(timer);
    const unconfirmed = this.#backlog.size;
    const error = new GlobalChannelError(
      "GC_CLOSED",
      `the producer was closed, and the broker had not confirmed it within ${closeTimeoutMs} ms`,
    );
    this.#dispatcher.close(error);
    await this.#client.close(error);
    if (unconfirmed > 0) {
      const message = `the broker has not confirmed ${unconfirmed} messages and requests within ${closeTimeoutMs} ms`;
      this.tellError(new GlobalChannelError("GC_TIMEOUT", `${message}; the producer is closed`));
    }
    this.tell("close");
    return unconfirmed;
  }
}

function refusal(error: GlobalChannelError, messages: number): GlobalChannelError {
  const fate = error.temporary ? "they are sent again" : "they are lost";
  return new GlobalChannelError("GC_BROKER_ERROR", `${error.message}; of ${messages} messages, ${fate}`, {
    cause: error,
    temporary: error.temporary,
  });
}
