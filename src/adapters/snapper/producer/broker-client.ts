import { GlobalChannelError } from "../../../errors.js";
import { errorOf } from "../rpc/failures.js";
import { encodeCall, type RpcAnswer } from "../wire/message.js";
import { RpcIds } from "../wire/rpc-ids.js";
import { backoff } from "./backoff.js";
import { BrokerConnection } from "./broker-connection.js";
import type { Endpoint } from "./endpoint.js";

/** How long a connection that has been ended may take to be gone, in milliseconds. */
const END_MS = 1000;

/** An attempt to connect again. */
export interface Reconnecting {
  /** How many there have been since the last answer of a broker, this one counted. */
  readonly attempt: number;
  /** In how many milliseconds it is made. */
  readonly delayMs: number;
}

export interface BrokerClientOptions {
  endpoint: Endpoint;
  /** Makes the token that shows who this is, for each connection. */
  token: () => string;
  timeoutMs: number;
  maxReconnectDelayMs: number;
  connected: () => void;
  reconnecting: (event: Reconnecting) => void;
  /** A connection has failed or was lost; told once until the broker has answered again. */
  failed: (error: GlobalChannelError) => void;
}

/** A request that the broker has not answered. It is sent again under the same id on each new connection. */
export interface BrokerCall {
  readonly id: string;
  readonly method: string;
  /** Resolves the broker's answer. */
  readonly answer: Promise<unknown>;
  /** Whether it has gone out, maybe without arriving. */
  isSent: boolean;
}

interface Unanswered extends BrokerCall {
  readonly frame: Buffer;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: GlobalChannelError) => void;
}

/** Asks a broker, over one connection after the other, until it has answered. Requests go out in the order in which they were made. */
export class BrokerClient {
  readonly #options: BrokerClientOptions;
  readonly #ids = new RpcIds();
  /** In the order of their first calls, in which they are sent again, too. */
  readonly #unanswered = new Map<string, Unanswered>();
  #connection: BrokerConnection;
  #openedAt = 0;
  #attempt = 0;
  #isToldFailed = false;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: BrokerClientOptions) {
    this.#options = options;
    this.#connection = this.#connect();
  }

  get isConnected(): boolean {
    return this.#connection.isOpen;
  }

  newId(): string {
    return this.#ids.next();
  }

  /**
   * Sends a request, now or when there is a connection.
   * @param paramsJson an array as JSON
   * @param id of one that is sent again after a temporary error. @default a new one
   * @throws (the `answer`) `GC_BROKER_ERROR` as the broker has answered; `GC_CLOSED`
   */
  call(method: string, paramsJson: string, id = this.newId()): BrokerCall {
    let resolve!: Unanswered["resolve"];
    let reject!: Unanswered["reject"];
    const answer = new Promise<unknown>((...settlers) => ([resolve, reject] = settlers));
    const call = { id, method, answer, isSent: false, frame: encodeCall(id, method, paramsJson), resolve, reject };
    this.#unanswered.set(id, call);
    if (this.isConnected) this.#send(call);
    return call;
  }

  /** Sends it no more; its answer is not waited for. */
  forget({ id }: BrokerCall): void {
    this.#unanswered.delete(id);
  }

  /** Resolves when the connection is gone. What is not answered fails with that. */
  async close(error: GlobalChannelError): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const { reject } of this.#unanswered.values()) reject(error);
    this.#unanswered.clear();
    this.#connection.end();
    const timer = setTimeout(() => this.#connection.destroy(), END_MS);
    await this.#connection.closed;
    clearTimeout(timer);
  }

  #connect(): BrokerConnection {
    const { endpoint, token, timeoutMs } = this.#options;
    return new BrokerConnection({
      endpoint,
      timeoutMs,
      authId: this.newId(),
      token: token(),
      opened: () => this.#opened(),
      answered: (answer) => this.#answered(answer),
      isWaiting: () => this.#unanswered.size > 0,
      lost: (error) => this.#lost(error),
    });
  }

  #opened(): void {
    this.#openedAt = performance.now();
    for (const call of this.#unanswered.values()) this.#send(call);
    this.#options.connected();
  }

  #send(call: Unanswered): void {
    call.isSent = true;
    this.#connection.send(call.frame);
  }

  #answered(answer: RpcAnswer): void {
    const call = this.#unanswered.get(String(answer.id));
    if (!call) return;
    this.#recovered();
    this.#unanswered.delete(call.id);
    if ("error" in answer) call.reject(errorOf(answer.error, call.method));
    else call.resolve(answer.result);
  }

  /** Not when it connects: a broker that closes each connection is to be left in peace, too. */
  #recovered(): void {
    this.#attempt = 0;
    this.#isToldFailed = false;
  }

  #lost(error: GlobalChannelError): void {
    const { maxReconnectDelayMs, reconnecting, failed } = this.#options;
    if (this.#isClosed) return;
    if (this.#openedAt > 0 && performance.now() - this.#openedAt > maxReconnectDelayMs) this.#recovered();
    this.#openedAt = 0;
    this.#attempt++;
    // That the token is refused is nobody's fault but the keys': it will take a while.
    const isRefused = error.code === "GC_INVALID_TOKEN";
    const delayMs = isRefused ? maxReconnectDelayMs : backoff(this.#attempt, maxReconnectDelayMs);
    this.#retry = setTimeout(() => (this.#connection = this.#connect()), delayMs);
    if (!this.#isToldFailed || isRefused) failed(error);
    this.#isToldFailed = true;
    reconnecting({ attempt: this.#attempt, delayMs });
  }
}
